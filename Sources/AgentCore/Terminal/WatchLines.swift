import Glibc
import PoolModel
import PoolReport

/// `status --watch` without a terminal: prints everything again at each interval, as text or as one JSON
/// object on each line, until the reader goes away.
package struct WatchLines {
    let client: ControlClient
    let interval: Double
    /// The text for an answer, with line ends.
    let text: (PoolStatus) throws -> String

    package init(client: ControlClient, interval: Double, text: @escaping (PoolStatus) throws -> String) {
        self.client = client
        self.interval = interval
        self.text = text
    }
    private let act = "show the status"

    /// Runs until the reader goes away. While the agent is down, it waits, with one message on standard error.
    ///
    /// - Throws: a refusal of the agent, or an error of the output.
    package func run() throws {
        var said: String?
        while true {
            do {
                let reply = try client.send(.status, act: act)
                guard case .status(let status) = reply else { throw reply.unexpected(act: act) }
                try Output.write(try text(status), terminator: "")
                said = nil
            } catch let failure as Failure where failure.kind == .absent {
                if said != "\(failure)" { Output.complain("reuseport-agent: \(failure)") }
                said = "\(failure)"
            }
            try pause()
        }
    }

    private func pause() throws {
        var reader = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
        guard poll(&reader, 1, Int32(interval * 1_000)) == 0 else { throw ReaderGone() }
    }
}
