import AgentCore
import ArgumentParser
import PoolModel

struct ExecCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exec", abstract: "Run a collector and keep its sockets registered.",
        usage:
            "reuseport-agent exec --collector NAME [--replace] [--wait SECONDS] [--control PATH] [--log-format FORMAT] [--log-level LEVEL] -- COMMAND [ARG ...]",
        discussion: """
            Examples:
              reuseport-agent exec --collector c1 -- nfacctd -f /etc/pmacct/nfacctd-c1.conf
              reuseport-agent exec --collector c1 --log-level warning -- goflow2 -name c1
              reuseport-agent exec --collector c1 --replace --wait 60 -- nfacctd -f /etc/pmacct/nfacctd-c1.conf
              ENTRYPOINT ["reuseport-agent", "exec", "--collector", "c1", "--", "nfacctd", "-f", "/etc/nfacctd.conf"]

            COMMAND must stay in the foreground. `exec` registers the sockets of COMMAND, or of a process that \
            COMMAND started, as soon as every group is bound, and again when the agent, the pool or the \
            sockets are new. COMMAND starts without an agent; `exec` waits for the agent. `exec` forwards \
            signals, exits with COMMAND's exit code or signal, and restarts nothing. As the first process of a container, \
            `exec` reaps every orphan.

            COMMAND finds its own pid in LISTEN_PID and WATCHDOG_PID if systemd set them for `exec`, and \
            multipathtcp=0 in GODEBUG unless GODEBUG sets multipathtcp: the kernel refuses MPTCP listeners, which \
            Go programs open by default. If COMMAND goes to the background, `exec` reports it.

            Exit codes: COMMAND's own; 127 if COMMAND is not found; 126 if COMMAND can't be executed; \
            with --wait, also those of `register`, and 4 if COMMAND goes to the background.
            """)

    @Option(help: "Name of the collector in the agent's configuration.")
    var collector: String

    @Flag(
        help: """
            Take the name over from another live process without loss, and send it SIGTERM when it has read its \
            queues.
            """)
    var replace = false

    @Option(
        help: ArgumentHelp(
            """
            Terminate a command that isn't registered within this time, 0 to 86400, and exit with the \
            reason's code. Default: no limit.
            """,
            valueName: "seconds"))
    var wait: Double?

    @Option(
        help: ArgumentHelp(
            "Format of exec's own messages on standard error.",
            discussion: "Default: sentences, or journald if standard error goes to systemd's journal.",
            valueName: "format"))
    var logFormat: LogFormat?

    @Option(help: ArgumentHelp("Minimum level of exec's own messages.", valueName: "level"))
    var logLevel: LogLevel = .info

    @OptionGroup var options: ControlOptions

    @Argument(
        parsing: .captureForPassthrough, help: ArgumentHelp("The collector's command line.", valueName: "command"))
    var commandLine: [String] = []

    /// The command line without the leading `--`.
    private var arguments: [String] { commandLine.first == "--" ? Array(commandLine.dropFirst()) : commandLine }

    func validate() throws {
        if let wait, !(0...86_400).contains(wait) { throw ValidationError("--wait takes 0 to 86400 seconds") }
        if let first = commandLine.first, first.hasPrefix("-"), first != "--" {
            throw ValidationError("there is no option \(first); put the command after --")
        }
        guard let program = arguments.first, !program.isEmpty else {
            throw ValidationError("add the collector's command after --, for example: -- nfacctd -f FILE")
        }
    }

    func run() throws {
        let maintainer = RegistrationMaintainer(collector: collector, client: try options.client, takesOver: replace)
        let log = ExecLog(collector: collector, format: logFormat, level: logLevel)
        do {
            let command = try LaunchedCommand(arguments)
            let end = try Supervision(command, program: arguments[0], maintainer: maintainer, wait: wait, log: log)
                .run()
            log.finish()
            LaunchedCommand.endLike(end)
        } catch let refusal as LaunchedCommand.Refusal {
            log.finish(refusal.failure)
            throw ExitCode(refusal.exitCode)
        } catch let failure as Failure {
            log.finish(failure)
            throw ExitCode(failure.exitCode)
        }
    }
}
