import Glibc
import PoolModel

/// Writes the results of commands to standard output, completely.
package enum Output {
    /// - Throws: `.output` if it can't be written; `ReaderGone` if the reader went away.
    package static func write(_ text: String, terminator: String = "\n") throws {
        signal(SIGPIPE, SIG_IGN)
        var rest = Array((text + terminator).utf8)[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if written >= 0 {
                rest = rest.dropFirst(written)
            } else if errno == EPIPE {
                throw ReaderGone()
            } else if errno != EINTR {
                throw Failure(
                    .output, act: "write the output", cause: "standard output can't be written", errno: errno,
                    remedy: "redirect the output to another place; the command's changes are in force")
            }
        }
    }

    /// One line on standard error.
    package static func complain(_ text: String) {
        let line = Array((text + "\n").utf8)
        Glibc.write(STDERR_FILENO, line, line.count)
    }
}

/// The reader of the output, or its terminal, went away: the command ends with exit code 1 and
/// without a message, which nobody would read.
package struct ReaderGone: Error {}
