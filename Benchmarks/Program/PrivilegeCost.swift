import CBPFShim
import PoolModel
import SockArrayCore
import TelemetryLab

/// What a run costs with and without tracking, beside its floor: a program that reads the source address
/// and selects a socket by its hash, and does nothing else. All of it is loaded twice, as root loads it
/// and with CAP_BPF alone, where the verifier adds barriers and masks against speculation; the same
/// datagrams go through each in the same rounds.
struct PrivilegeCost: Sendable {
    let name: String
    var sources = 1_000
    var collectors = 4
    var change: @Sendable (inout PoolConfiguration) -> Void = { _ in }
    private static let datagramsPerRound = 60_000
    /// The fewest rounds in which a difference of 20 ns stands out from the noise.
    static let leastRounds = 15

    enum Privilege: String, CaseIterable {
        case trusted = "CAP_PERFMON"
        case unit = "CAP_BPF alone"

        fileprivate func load<T>(_ body: () throws -> T) throws -> T {
            switch self {
            case .trusted: try body()
            case .unit: try SandboxCapabilities.with(["CAP_BPF"]) { try body() }
            }
        }
    }

    enum Step: String, CaseIterable {
        case floor
        case off = "tracking off"
        case on = "tracking on"
    }

    static let empty = "empty program"
    static func subject(_ step: Step, _ privilege: Privilege) -> String { "\(step.rawValue), \(privilege.rawValue)" }

    /// The median of what a step takes more than another one.
    static func nanoseconds(
        _ results: Results, _ step: Step, over below: Step, _ privilege: Privilege, _ workload: String
    ) -> Double? {
        let more = results.differences(
            .nanoseconds, of: subject(step, privilege), from: subject(below, privilege), under: workload)
        return more.isEmpty ? nil : Spread(more).median
    }

    static let sourceCounts = [16, 1_000, 10_000, 100_000]
    static let cases =
        sourceCounts.map { PrivilegeCost(name: "sources: \($0)", sources: $0) }
        + [1, 16, 256].map { PrivilegeCost(name: "collectors: \($0)", collectors: $0) }
        + [
            PrivilegeCost(name: "1,000 exporters configured", change: { $0.exporters = exporters }),
            PrivilegeCost(name: "round-robin", change: { $0.assignment = .roundRobin }),
        ]

    private static let exporters = (0..<1_000).map { index in
        PoolConfiguration.Exporter(
            name: "r\(index)", prefixes: [AddressPrefix(.v4(Loopback.exporter(UInt32(index))))])
    }

    /// - Parameter note: called for each round but the first, which warms up.
    func measure(rounds: Int, note: (String, Double) -> Void) throws {
        let statistics = Descriptor(owning: try bench("BPF_ENABLE_STATS", rpa_enable_run_stats()))
        defer { _ = statistics.number }
        var subjects: [(name: String, pool: BenchPool, program: Int32)] = []
        var programs: [KernelObject] = []
        for (index, privilege) in Privilege.allCases.enumerated() {
            let (off, on, floor) = try privilege.load {
                let port = UInt16(4_739 + 2 * index)
                let off = try BenchPool("off\(index)", port: port, collectors) { configuration in
                    change(&configuration)
                    configuration.tracking = .off
                }
                let on = try BenchPool("on\(index)", port: port + 1, collectors) { configuration in
                    change(&configuration)
                    // Room for all sources: otherwise, some of them would be untracked.
                    if sources > Tracking.defaultSize { configuration.tracking.size = 2 * Tracking.defaultSize }
                }
                return (off, on, try off.program("select_by_hash", of: Embedded_stepPrograms.bytes, []))
            }
            if index == 0 {
                programs.append(try off.reference("empty"))
                subjects.append((Self.empty, off, programs[0].number))
            }
            programs.append(floor)
            subjects += [
                (Self.subject(.floor, privilege), off, floor.number),
                (Self.subject(.off, privilege), off, off.dispatcher),
                (Self.subject(.on, privilege), on, on.dispatcher),
            ]
        }
        for round in 0...max(rounds, Self.leastRounds) {
            // Each round begins with another subject, so that none always follows the same one.
            for index in 0..<subjects.count {
                let (subject, pool, program) = subjects[(index + round) % subjects.count]
                try bench("SO_ATTACH_REUSEPORT_EBPF", rpa_attach_reuseport(pool.member, program))
                let load = try DatagramLoad(sources: sources, length: 200, port: pool.port)
                // Not counted: fills the caches, which the previous subjects have used.
                try load.sendFromEach()
                let cost = try ProgramCost.nanosecondsPerRun(of: program) {
                    try load.send(total: Self.datagramsPerRound)
                }
                if round > 0 { note(subject, cost) }
            }
        }
    }
}
