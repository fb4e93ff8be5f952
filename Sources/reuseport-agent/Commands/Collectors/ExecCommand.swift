import AgentCore
import ArgumentParser
import SockArrayCore

struct ExecCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exec", abstract: "Run a collector and keep its sockets registered.",
        usage:
            "reuseport-agent exec --collector NAME [--wait SECONDS] [--control PATH] [--log-format FORMAT] [--log-level LEVEL] -- COMMAND [ARG ...]",
        discussion: """
            Examples:
              reuseport-agent exec --collector c1 -- nfacctd -f /etc/pmacct/nfacctd-c1.conf
              reuseport-agent exec --collector c1 --log-level warning -- goflow2 -name c1
              ENTRYPOINT ["reuseport-agent", "exec", "--collector", "c1", "--", "nfacctd", "-f", "/etc/nfacctd.conf"]

            COMMAND stays in the foreground. Its sockets, or those of a process that it started, are \
            registered as soon as every group is bound, and again when the agent, the pool or the sockets \
            are new. It needs no agent to run: it is waited for. Signals are forwarded, and exec ends as \
            COMMAND ends; it restarts nothing. As the first process of a container it reaps every orphan.

            Exit codes: COMMAND's own; 127 it is not found, 126 it can't be executed; of --wait those \
            of register.
            """)

    @Option(help: "Name of the collector in the agent's configuration.")
    var collector: String

    @Option(
        help: ArgumentHelp(
            "If it is not registered by then, terminate it and exit with the reason's code; else wait for ever.",
            valueName: "seconds"))
    var wait: Double?

    @Option(
        help: ArgumentHelp(
            "Shape of what exec itself says on standard error.",
            discussion: "Else sentences; journald where systemd's journal reads.", valueName: "format"))
    var logFormat: LogFormat?

    @Option(help: ArgumentHelp("Least level of it.", valueName: "level"))
    var logLevel: LogLevel = .info

    @OptionGroup var options: ControlOptions

    @Argument(
        parsing: .captureForPassthrough, help: ArgumentHelp("The collector's command line.", valueName: "command"))
    var commandLine: [String] = []

    /// Without the `--` before it.
    private var arguments: [String] { commandLine.first == "--" ? Array(commandLine.dropFirst()) : commandLine }

    func validate() throws {
        if let wait, !(0...86_400).contains(wait) { throw ValidationError("--wait takes 0 to 86400 seconds") }
        if let first = commandLine.first, first.hasPrefix("-"), first != "--" {
            throw ValidationError("there is no option \(first); the command comes after --")
        }
        guard let program = arguments.first, !program.isEmpty else {
            throw ValidationError("give the collector's command after --, like: -- nfacctd -f FILE")
        }
    }

    func run() throws {
        let maintainer = RegistrationMaintainer(collector: collector, client: try options.client)
        let log = ExecLog(collector: collector, format: logFormat, level: logLevel)
        func give(up failure: Failure, _ exitCode: Int32) -> ExitCode {
            log.say(ExecLine(level: .error, text: "\(failure)"))
            log.finish()
            return ExitCode(exitCode)
        }
        do {
            let command = try LaunchedCommand(arguments)
            let end = try Supervision(command, maintainer: maintainer, wait: wait, log: log).run()
            log.finish()
            LaunchedCommand.endLike(end)
        } catch let refusal as LaunchedCommand.Refusal {
            throw give(up: refusal.failure, refusal.exitCode)
        } catch let failure as Failure {
            throw give(up: failure, failure.exitCode)
        }
    }
}
