import Glibc
import PoolModel
import PoolReport

/// `status --watch` without a terminal: prints everything again at each interval, as text or as one JSON
/// object on each line, until the reader goes away.
package enum WatchLines {
    /// Runs until the reader goes away. While the agent is down, it waits, with one message on standard error.
    ///
    /// - Parameter text: the text for an answer, with line ends.
    /// - Throws: a refusal of the agent, or an error of the output.
    package static func run(_ client: ControlClient, interval: Double, text: (PoolStatus) throws -> String) throws {
        var said: String?
        while true {
            do {
                let status = try client.ask(.status, act: "show the status", for: \.status)
                try Output.write(try text(status), terminator: "")
                said = nil
            } catch let failure as Failure where failure.kind == .absent {
                if said != "\(failure)" { Output.complain("reuseport-agent: \(failure)") }
                said = "\(failure)"
            }
            var reader = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
            guard Glibc.poll(&reader, 1, Int32(interval * 1_000)) == 0 else { throw ReaderGone() }
        }
    }
}
