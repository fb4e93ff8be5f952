import AgentCore
import ArgumentParser

extension LogFormat: ExpressibleByArgument {}
extension LogLevel: ExpressibleByArgument {}

/// How a command that logs does it.
struct LogOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Shape of the log on standard error.",
            discussion: "Else human on a terminal, journald where systemd's journal reads, json elsewhere.",
            valueName: "format"))
    var logFormat: LogFormat?

    @Option(help: ArgumentHelp("Least level that is logged.", valueName: "level"))
    var logLevel: LogLevel = .info

    /// - Parameter pool: told with each record.
    func open(pool: String?) -> AgentLog { AgentLog(format: format, level: logLevel.level, pool: pool) }

    var format: LogFormat { logFormat ?? .fittingStandardError }

    var isAskedFor: Bool { logFormat != nil }
}
