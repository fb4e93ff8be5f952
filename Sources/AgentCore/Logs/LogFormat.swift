import CBPFShim
import Glibc
import Logging

/// The shape of the log.
package enum LogFormat: String, CaseIterable, Sendable {
    case human, json, journald

    /// What is written where nothing is asked for: lines for people on a terminal, fields
    /// for the journal if standard error goes there, else JSON lines.
    ///
    /// - Parameters:
    ///   - journalStream: $JOURNAL_STREAM, `DEVICE:INODE` of the stream that the service
    ///     manager made (systemd.exec(5)). It is inherited, also by a command whose
    ///     standard error goes elsewhere.
    ///   - file: device and inode of standard error.
    static func fitting(isTerminal: Bool, journalStream: String?, file: (device: UInt64, inode: UInt64)?) -> LogFormat {
        if isTerminal { return .human }
        if let file, journalStream == "\(file.device):\(file.inode)" { return .journald }
        return .json
    }

    /// That of this process's standard error.
    package static var fittingStandardError: LogFormat {
        var facts = stat()
        let file = fstat(STDERR_FILENO, &facts) == 0 ? (UInt64(facts.st_dev), UInt64(facts.st_ino)) : nil
        return fitting(
            isTerminal: isatty(STDERR_FILENO) == 1,
            journalStream: getenv("JOURNAL_STREAM").map { String(cString: $0) }, file: file)
    }
}

package enum LogLevel: String, CaseIterable, Sendable {
    case trace, debug, info, notice, warning, error

    package var level: Logger.Level { Logger.Level(rawValue: rawValue)! }
}
