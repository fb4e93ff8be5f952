import CBPFShim
import Logging

/// Something that `exec` has to say.
package struct ExecLine: Equatable {
    package var level: LogLevel
    package var text: String
    /// See `LogRecord.key`.
    var key: String?

    package init(level: LogLevel, text: String, key: String? = nil) {
        self.level = level
        self.text = text
        self.key = key
    }
}

/// Where `exec` says it: standard error is its command's as well. Sentences of its own
/// there, fields where systemd's journal reads, another shape where one is asked for.
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

    package func say(_ line: ExecLine) {
        guard let log else {
            if line.level.level >= level.level { Output.complain("reuseport-agent: \(line.text)") }
            return
        }
        log.logger.of(collector, key: line.key).log(level: line.level.level, "\(line.text)")
    }

    /// Sums that are due, and what the reader did not take before.
    func proceed() { log?.serve([], now: rpa_monotonic_ns()) }

    package func finish() { log?.finish() }
}

extension RegistrationOutcome {
    /// Who looks after the collector has to act where it isn't registered, and its agent is there.
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
