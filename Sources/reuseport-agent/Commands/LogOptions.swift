import AgentCore
import ArgumentParser

extension LogFormat: ExpressibleByArgument {}
extension LogLevel: ExpressibleByArgument {}

/// The options of a command that logs.
struct LogOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Format of the log on standard error.",
            discussion: "Default: human on a terminal, journald if standard error is the journal's, otherwise json.",
            valueName: "format"))
    var logFormat: LogFormat?

    @Option(help: ArgumentHelp("Minimum level to log.", valueName: "level"))
    var logLevel: LogLevel = .info

    /// - Parameter pool: the pool's name, which each record includes.
    func open(pool: String?) -> AgentLog { AgentLog(format: format, level: logLevel.level, pool: pool) }

    var format: LogFormat { logFormat ?? .fittingStandardError }
}
