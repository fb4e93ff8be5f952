import ArgumentParser
import Glibc
import SockArrayCore

/// Where the results of commands go: standard output, to the last byte.
enum Output {
    /// - Throws: `.output` if it can't be written; `ExitCode` 1, without a word,
    ///   if the reader went away.
    static func write(_ text: String, terminator: String = "\n") throws {
        signal(SIGPIPE, SIG_IGN)
        var rest = Array((text + terminator).utf8)[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if written >= 0 {
                rest = rest.dropFirst(written)
            } else if errno == EPIPE {
                throw ExitCode(Failure.Kind.output.rawValue)
            } else if errno != EINTR {
                throw Failure(
                    .output, act: "write the output", cause: "standard output does not take it", errno: errno,
                    remedy: "send it where it can be written; what the command changes is changed")
            }
        }
    }
}
