import CBPFShim
import PoolModel
import SockArrayCore
import TelemetryLab

/// The time that CAP_PERFMON saves: runs of the same program, loaded by root and loaded with CAP_BPF
/// alone, with the same datagrams in the same rounds. Without CAP_PERFMON, the verifier adds
/// barriers and masks against speculation.
struct PrivilegeCost: Sendable {
    let name: String
    var sources = 256
    var change: @Sendable (inout PoolConfiguration) -> Void = { _ in }
    private static let datagramsPerRound = 60_000

    static let empty = "empty program"
    static let trusted = "root, or with CAP_PERFMON"
    static let unit = "CAP_BPF alone, the shipped unit"

    static let cases = [
        PrivilegeCost(name: "tracking on", change: { _ in }),
        PrivilegeCost(name: "tracking on, 10,000 sources", sources: 10_000, change: { _ in }),
        PrivilegeCost(name: "tracking off", change: { $0.tracking = .off }),
        PrivilegeCost(
            name: "tracking off, 1,000 exporters configured",
            change: { ($0.tracking, $0.exporters) = (.off, exporters) }),
        PrivilegeCost(
            name: "round-robin, tracking off", change: { ($0.tracking, $0.assignment) = (.off, .roundRobin) }),
    ]

    private static let exporters = (0..<1_000).map { index in
        PoolConfiguration.Exporter(
            name: "r\(index)", prefixes: [AddressPrefix(.v4(Loopback.exporter(UInt32(index))))])
    }

    /// - Parameter note: called for each round but the first, which warms up.
    func measure(rounds: Int, note: (String, Double) -> Void) throws {
        let statistics = Descriptor(owning: try bench("BPF_ENABLE_STATS", rpa_enable_run_stats()))
        defer { _ = statistics.number }
        let root = try BenchPool("root", port: 4_739, 4, change)
        let unit = try SandboxCapabilities.with(["CAP_BPF"]) { try BenchPool("unit", port: 4_740, 4, change) }
        let empty = try root.reference("empty")
        let subjects = [(Self.empty, root), (Self.trusted, root), (Self.unit, unit)]
        for round in 0...rounds {
            // Each round begins with another subject, so that none always follows the same one.
            for index in 0..<subjects.count {
                let (subject, pool) = subjects[(index + round) % subjects.count]
                let program = subject == Self.empty ? empty.number : pool.dispatcher
                try bench("SO_ATTACH_REUSEPORT_EBPF", rpa_attach_reuseport(pool.member, program))
                let load = try DatagramLoad(sources: sources, length: 200, port: pool.port)
                if round == 0 { try load.sendFromEach() }
                let cost = try ProgramCost.nanosecondsPerRun(of: program) {
                    try load.send(total: Self.datagramsPerRound)
                }
                if round > 0 { note(subject, cost) }
            }
        }
    }
}
