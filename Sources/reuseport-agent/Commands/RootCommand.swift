import AgentCore
import ArgumentParser
import Glibc
import PoolModel
import SockArrayCore

@main
struct RootCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reuseport-agent",
        abstract: "Keeps every telemetry stream of a router on one collector process.",
        discussion: """
            Several collectors share one address with SO_REUSEPORT. The agent attaches a BPF program that \
            selects the collector by the exporter's source address, for UDP and TCP alike.

            Exit codes: 0 done, 1 output not written, 2 wrong usage or configuration, 3 no such agent or \
            pool, 4 socket that can't be registered, 5 conflict, 6 refused by the kernel, or missing privilege.
            """,
        version: AgentVersion.text,
        subcommands: [
            RunCommand.self, CheckCommand.self, RegisterCommand.self, ExecCommand.self, UnregisterCommand.self,
            ReplaceCommand.self, DrainCommand.self, UndrainCommand.self, StatusCommand.self, ExplainCommand.self,
            PlanCommand.self, ReloadCommand.self, UnloadCommand.self, DemoCommand.self, DemoStage.self,
            DemoCollector.self,
        ])

    static func main() {
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch {
            Glibc.exit(end(for: error))
        }
    }

    /// Prints the reason, and returns the exit code.
    private static func end(for error: any Error) -> Int32 {
        if let failure = error as? Failure {
            Output.complain("reuseport-agent: \(failure)")
            return failure.exitCode
        }
        if let code = error as? ExitCode { return code.rawValue }
        if error is ReaderGone { return Failure.Kind.output.rawValue }
        guard exitCode(for: error).rawValue == 0 else {
            Output.complain(usageMessage(for: error))
            return Failure.Kind.usage.rawValue
        }
        // --help and --version.
        do { try Output.write(fullMessage(for: error)) } catch { return end(for: error) }
        return 0
    }

    private static func usageMessage(for error: any Error) -> String {
        let message = fullMessage(for: error)
        let commands = Dictionary(
            uniqueKeysWithValues: configuration.subcommands.map {
                ($0.configuration.commandName ?? "", helpMessage(for: $0))
            })
        guard let hint = UsageHint.text(Array(CommandLine.arguments.dropFirst()), commands: commands) else {
            return message
        }
        let usage = message.split(separator: "\n").drop { !$0.hasPrefix("Usage:") }
        return "Error: \(hint)\n" + usage.joined(separator: "\n")
    }
}

/// The option that names the agent's control socket.
struct ControlOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Path of the agent's control socket.",
            discussion:
                """
                Default: the environment variable \(ControlClient.environmentVariable), otherwise \
                \(PoolConfiguration.defaultControlSocket.path).
                """,
            valueName: "path"))
    var control: String?

    var client: ControlClient {
        get throws(Failure) {
            let variable = getenv(ControlClient.environmentVariable).map { String(cString: $0) } ?? ""
            let path = control ?? (variable.isEmpty ? PoolConfiguration.defaultControlSocket.path : variable)
            // The size of sun_path (unix(7)) without the final NUL.
            guard (1...107).contains(path.utf8.count) else {
                throw Failure(
                    .usage, act: "find the agent",
                    cause: path.isEmpty
                        ? "--control is empty"
                        : "the path of its control socket has \(path.utf8.count) bytes, and a socket's has at most 107",
                    remedy: "give the path of control_socket in the agent's configuration, or leave --control out")
            }
            return ControlClient(path: path)
        }
    }
}
