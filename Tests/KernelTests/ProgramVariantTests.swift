import CBPFShim
import TelemetryLab
import Testing

@testable import PoolModel
@testable import SockArrayCore

/// Whether this kernel's verifier takes each program that an agent may load, with the
/// capabilities that the sandbox has. scripts/test-kernels.sh reads the lines that they print,
/// and has two suites, of about the same time, for two processors.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF"))
struct AffinityVariantTests {
    @Test func `each program that selects by exporter loads`() async throws {
        try await Sandbox.run { _ in
            var loader = VariantLoader()
            loader.loadAll([.rendezvous, .maglev])
            // On a machine with more CPUs than blocks of counters.
            loader.loadAll([.rendezvous], sharingCounters: true)
        }
    }
}

@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF")) struct OtherVariantTests {
    @Test func `each program that selects by turn or by flow loads`() async throws {
        try await Sandbox.run { _ in
            var loader = VariantLoader()
            loader.loadAll([.roundRobin, .kernel])
        }
    }

    @Test func `the dispatchers and the meter's programs load`() async throws {
        try await Sandbox.run { _ in
            var loader = VariantLoader()
            loader.load("dispatch", "UDP, TCP", rpa_constants())
            loader.load("dispatch_or_migrate", "TCP", rpa_constants())
            for program in ["count_ingress", "count_egress"] { loader.loadMeter(program) }
        }
    }
}

/// Loads programs, prints a line of each and records those that are refused.
private struct VariantLoader {
    /// By program and constants: rendezvous and maglev differ in nothing else.
    private var outcomes: [[UInt8]: Outcome] = [:]
    private let canMigrate = rpa_probe_migration() == 1

    private enum Outcome { case loaded, refused(String) }

    /// None, one, and prefixes of all lengths that there are.
    private static let exporters: [(name: String, prefixes: [AddressPrefix])] = [
        ("no exporters", []), ("1 exporter", [AddressPrefix(.v4(0x0a00_0001))]),
        (
            "\(RPA_MAX_LENGTHS) lengths",
            (0...128).map { AddressPrefix(.v6(0x2001_0db8_0000_0000, 1)).cut(to: $0) }
                + (96...128).map { AddressPrefix(.v4(0xc633_6407)).cut(to: $0) }
        ),
    ]
    /// A prime, which maglev needs.
    private static let tableSize = 17

    /// Its maps are new, because the verifier doesn't look at their content.
    private static let maps = [
        "rows", "owners", "exporters", "turns", "slots", "settings", "group_sockets", "sessions", "exporter_events",
        "tracked", "cpu_counters", "untracked", "exporter_alloc", "sockets", "traffic", "losses",
        "programs",
    ].map { (name: $0, number: Int32(-1)) }

    /// For UDP, and for TCP with migration, or without it where the kernel has none, as an agent
    /// loads them: of each assignment, tracked or not, and by exporters.
    mutating func loadAll(_ assignments: [Assignment], sharingCounters: Bool = false) {
        for assignment in assignments {
            for tracking in sharingCounters ? [Tracking()] : [.off, Tracking()] {
                for (exporters, prefixes) in Self.exporters {
                    var configuration = PoolFixture.configuration(["c1", "c2"])
                    configuration.assignment = assignment
                    configuration.tableSize = Self.tableSize
                    configuration.tracking = tracking
                    configuration.exporters =
                        prefixes.isEmpty ? [] : [PoolConfiguration.Exporter(name: "all", prefixes: prefixes)]
                    var constants = AssignmentTable(configuration).constants(ofGeneration: 1)
                    constants.shares_counters = sharingCounters ? 1 : 0
                    let kind = tracking.size == 0 ? "off" : sharingCounters ? "with shared counters" : "on"
                    let variant = "\(assignment.rawValue), tracking \(kind), \(exporters)"
                    load("select_collector", "\(variant), UDP", constants)
                    if sharingCounters { continue }
                    constants.is_stream = 1
                    if !canMigrate { load("select_collector", "\(variant), TCP", constants) }
                    load("select_or_migrate", "\(variant), TCP", constants)
                }
            }
        }
    }

    mutating func load(_ program: String, _ variant: String, _ constants: rpa_constants) {
        guard canMigrate || !program.hasSuffix("_or_migrate") else {
            print("variant not there: \(program), \(variant)")
            return
        }
        let key = Array(program.utf8) + withUnsafeBytes(of: constants) { Array($0) }
        let outcome =
            outcomes[key]
            ?? Self.outcome { () throws(PoolError) in
                try SelectionProgram.load(program: program, maps: Self.maps, constants: constants)
            }
        outcomes[key] = outcome
        Self.report(outcome, program, variant)
    }

    func loadMeter(_ program: String) {
        struct NoConstants: BitwiseCopyable {}
        let outcome = Self.outcome { () throws(PoolError) in
            try SelectionProgram.load(
                object: Embedded_meterProgram.bytes, program: program, maps: [("meter", -1), ("internal", -1)],
                constants: NoConstants())
        }
        Self.report(outcome, program, "meter")
    }

    private static func outcome(_ load: () throws(PoolError) -> Descriptor) -> Outcome {
        do {
            _ = try load()
            return .loaded
        } catch {
            guard case .program(let call, let log) = error else { return .refused("\(error)") }
            return .refused((["\(call)"] + Refusal.verdict(of: log, lines: 4)).joined(separator: "\n  "))
        }
    }

    private static func report(_ outcome: Outcome, _ program: String, _ variant: String) {
        switch outcome {
        case .loaded:
            print("variant ok: \(program), \(variant)")
        case .refused(let reason):
            print("variant refused: \(program), \(variant)\n  \(reason)")
            Issue.record("\(program), \(variant): \(reason)")
        }
    }
}
