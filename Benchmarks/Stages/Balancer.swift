import CBPFShim
import Glibc
import PoolModel
import SockArrayCore
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
        case .turn: try Self.attachTurn(to: collectors)
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
        let isOne = !setting.workers.isEmpty
        let names = isOne ? ["c0"] : (0..<setting.collectors).map { "c\($0)" }
        let entries = isOne ? ["{name: c0, workers: \(setting.workers)}"] : names
        let transport = setting.transport == .datagrams ? "udp" : "tcp"
        let aliases = (0..<setting.aliases).map { index in
            "  - {name: r\(index), addresses: [\(IPAddress.v4(Loopback.exporter(UInt32(index))))]}\n"
        }
        let text = """
            pool: bench
            collectors: [\(entries.joined(separator: ", "))]
            groups:
              - {name: bench, protocol: \(transport), address: 0.0.0.0, port: \(setting.port)}
            \(setting.configuration)
            \(aliases.isEmpty ? "" : "exporters:\n" + aliases.joined())
            """
        let agent = try AgentFixture(in: sandbox, program: setting.agentProgram, configuration: text)
        func register(_ name: String, _ sockets: some Sequence<InternetSocket>) throws {
            let numbers = sockets.map(\.number).enumerated().map { (Int32(10 + $0.offset), $0.element) }
            let result = try agent.command(
                ["register", "--collector", name] + numbers.flatMap { ["--fd", "\($0.0)"] },
                descriptors: Dictionary(uniqueKeysWithValues: numbers))
            guard result.exitCode == 0 else { throw BenchmarkError(description: result.errorOutput) }
        }
        if isOne {
            try register("c0", collectors.sockets)
        } else {
            for (name, socket) in zip(names, collectors.sockets) { try register(name, [socket]) }
        }
        return agent
    }

    /// A program that selects one socket after the other for each packet: as a collector's own does, that spreads
    /// packets over its workers.
    private static func attachTurn(to collectors: Collectors) throws {
        let sockets = Descriptor(
            owning: try bench("sockarray", rpa_map_create(RPA_MAP_SOCKARRAY, "bench", 8, 64, -1)))
        for (index, socket) in collectors.sockets.enumerated() {
            var value = UInt64(socket.number)
            try bench("bpf_map_update_elem", rpa_map_update(sockets.number, UInt32(index), &value))
        }
        let program = try SelectionProgram.load(
            object: Embedded_referencePrograms.bytes, program: "turn",
            maps: [("sockets", sockets.number), ("turns", -1)], constants: UInt64(collectors.sockets.count))
        try bench("SO_ATTACH_REUSEPORT_EBPF", rpa_attach_reuseport(collectors.sockets[0].number, program.number))
    }
}
