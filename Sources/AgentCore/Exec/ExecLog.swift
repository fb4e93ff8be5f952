import Logging
import PoolModel

/// A message of `exec`.
struct ExecLine: Equatable {
    var level: LogLevel
    var text: String
    /// See `LogRecord.key`.
    var key: String?
}

/// The log of `exec` on standard error, which its command uses, too: sentences by default, fields if
/// systemd's journal reads, or the format of `--log-format`.
package struct ExecLog {
    private let level: LogLevel
    private let log: AgentLog?
    private let collector: String

    package init(collector: String, format: LogFormat?, level: LogLevel) {
        self.collector = collector
        self.level = level
        let format = format ?? (LogFormat.fittingStandardError == .journald ? .journald : nil)
        log = format.map { AgentLog(format: $0, level: level.level, pool: nil) }
    }

    func say(_ line: ExecLine) {
        guard let log else {
            if line.level.level >= level.level { Output.complain("reuseport-agent: \(line.text)") }
            return
        }
        log.logger.of(collector, key: line.key).log(level: line.level.level, "\(line.text)")
    }

    /// Writes summaries that are due, and records that the reader didn't take before.
    func proceed() { log?.serve([], now: ContinuousClock.now) }

    /// - Parameter failure: the reason why `exec` gives up; nil if it doesn't.
    package func finish(_ failure: Failure? = nil) {
        if let failure { say(ExecLine(level: .error, text: "\(failure)")) }
        log?.finish()
    }
}

extension RegistrationOutcome {
    /// A warning if the agent answers and the collector isn't registered: somebody has to act.
    var level: LogLevel {
        switch self {
        case .registered, .absent: .notice
        case .incomplete, .refused: .warning
        }
    }

    /// The line without the process's number, for `LogRecord.key`.
    func key(of line: String) -> String? {
        if case .registered(_, let pid) = self { line.replacing(", process \(pid)", with: "") } else { nil }
    }
}
