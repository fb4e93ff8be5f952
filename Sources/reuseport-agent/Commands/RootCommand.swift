import ArgumentParser
import Glibc
import SockArrayCore

@main
struct RootCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reuseport-agent",
        abstract: "Keeps every telemetry stream of a router on one collector process.",
        discussion: """
            Several collectors share one address with SO_REUSEPORT. The agent attaches a BPF program that \
            selects the collector by the exporter's source address, for UDP and TCP alike.

            Exit codes: 0 done, 2 usage or bad configuration, 3 agent or pool not there, 4 unfit socket, \
            5 conflict, 6 privilege or kernel.
            """,
        version: "0.1.0",
        subcommands: [
            RunCommand.self, CheckCommand.self, RegisterCommand.self, UnregisterCommand.self, StatusCommand.self,
            ExplainCommand.self, PlanCommand.self, ReloadCommand.self, UnloadCommand.self, DemoCommand.self, DemoStage.self, DemoCollector.self,
        ])

    static func main() {
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch let failure as Failure {
            complain("reuseport-agent: \(failure)")
            Glibc.exit(failure.exitCode)
        } catch {
            let code = exitCode(for: error)
            guard code.rawValue != 0, !(error is ExitCode) else { exit(withError: error) }
            complain(fullMessage(for: error))
            Glibc.exit(Failure.Kind.usage.rawValue)
        }
    }

    static func complain(_ text: String) {
        let line = Array((text + "\n").utf8)
        write(STDERR_FILENO, line, line.count)
    }
}

/// Where the agent listens for commands.
struct ControlOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Control socket of the agent.",
            discussion:
                "Else \(ControlClient.environmentVariable), else \(PoolConfiguration.defaultControlSocket.path).",
            valueName: "path"))
    var control: String?

    var client: ControlClient {
        ControlClient(
            path: control ?? getenv(ControlClient.environmentVariable).map { String(cString: $0) }
                ?? PoolConfiguration.defaultControlSocket.path)
    }
}

extension IPAddress {
    /// - Throws: `.usage` with what is wrong.
    init(argument text: String) throws(Failure) {
        guard let address = IPAddress(text) else {
            throw Failure(
                .usage, act: "explain \(text)", cause: "it is not an IPv4 or IPv6 address",
                remedy: "write it like 192.0.2.1 or 2001:db8::1")
        }
        self = address
    }
}

extension ControlReply {
    /// A reply that isn't of the kind that the request asks for.
    func unexpected(act: String) -> Failure {
        switch self {
        case .failure(let failure), .incomplete(let failure): failure
        default:
            Failure(
                .absent, act: act, cause: "the agent's answer is of another kind",
                remedy: "use the reuseport-agent command of the agent's own version")
        }
    }
}
