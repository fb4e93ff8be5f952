import CBPFShim
import Glibc
import PoolModel
import TelemetryLab
import TestSupport

/// The subject itself, set up and ready.
final class Balancer {
    /// The balancer's processes; none if the kernel alone balances.
    let processes: [ChildProcess]
    private let agent: AgentFixture?

    init(_ setting: StageSetting, _ collectors: Collectors, in sandbox: Sandbox) throws {
        var (processes, agent): ([ChildProcess], AgentFixture?) = ([], nil)
        switch setting.subject {
        case .plain: break
        case .agent: agent = try Self.agent(setting, collectors, in: sandbox)
        case .nft: try Self.run(["nft", "-f", try Self.file(NftRedirect.rules(setting), in: sandbox)], in: sandbox)
        case .nginx, .nginxOneWay:
            processes = try Self.daemon(setting, NginxStream.command(setting, in: sandbox), in: sandbox)
        case .tee: processes = try Self.daemon(setting, NfacctdTee.command(setting, in: sandbox), in: sandbox)
        case .haproxy: processes = try Self.daemon(setting, HAProxy.command(setting, in: sandbox), in: sandbox)
        }
        self.processes = processes + (agent.map { [$0.process] } ?? [])
        self.agent = agent
        collectors.closeOurs()
    }

    var cost: ProcessTree { ProcessTree(of: processes.map(\.pid)) }

    static func file(_ text: String, in sandbox: Sandbox) throws -> String {
        let path = sandbox.newPath("settings")
        try FileText.write(text, to: path)
        return path
    }

    private static func run(_ command: [String], in sandbox: Sandbox) throws {
        let process = try ChildProcess(command, in: sandbox)
        guard try process.wait() == 0 else {
            throw BenchmarkError(description: "\(command[0]): \(process.errorOutput)")
        }
    }

    /// Starts a daemon and waits until it has the port.
    private static func daemon(
        _ setting: StageSetting, _ command: [String], in sandbox: Sandbox
    ) throws -> [ChildProcess] {
        let process = try ChildProcess(command, in: sandbox)
        let list = setting.transport == .datagrams ? "/proc/net/udp" : "/proc/net/tcp"
        // `:06FE`
        let port = ":" + String(Int(setting.port) + 0x1_0000, radix: 16, uppercase: true).dropFirst() + " "
        let isReady = waitUntil(.seconds(20)) {
            process.exitCode != nil || (FileText.read(list) ?? "").contains(port)
        }
        guard isReady, process.exitCode == nil else {
            throw BenchmarkError(
                description: "\(command[0]) did not start: \(process.output) \(process.errorOutput)")
        }
        usleep(500_000)
        return [process]
    }

    private static func agent(
        _ setting: StageSetting, _ collectors: Collectors, in sandbox: Sandbox
    ) throws -> AgentFixture {
        let names = (0..<setting.collectors).map { "c\($0)" }
        let transport = setting.transport == .datagrams ? "udp" : "tcp"
        let aliases = (0..<setting.aliases).map { index in
            "  - {name: r\(index), addresses: [\(IPAddress.v4(Loopback.exporter(UInt32(index))))]}\n"
        }
        let text = """
            pool: bench
            collectors: [\(names.joined(separator: ", "))]
            groups:
              - {name: bench, protocol: \(transport), address: 0.0.0.0, port: \(setting.port)}
            \(setting.configuration)
            \(aliases.isEmpty ? "" : "exporters:\n" + aliases.joined())
            """
        let agent = try AgentFixture(in: sandbox, program: setting.agentProgram, configuration: text)
        for (name, socket) in zip(names, collectors.sockets) {
            let result = try agent.command(
                ["register", "--collector", name, "--fd", "10"], descriptors: [10: socket.number])
            guard result.exitCode == 0 else { throw BenchmarkError(description: result.errorOutput) }
        }
        return agent
    }
}
