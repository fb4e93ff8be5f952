import CBPFShim
import Glibc
import PoolModel
import SockArrayCore
import TelemetryLab
import Testing

/// How many instructions the selection programs have.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces")) struct ProgramBudgetTests {
    @Test func `each selection program is within its budget of instructions`() async throws {
        try await Sandbox.run { _ in
            var found: [String: InstructionBudgets.Program] = [:]
            for (name, change) in Self.variants {
                var configuration = PoolFixture.configuration(["c1", "c2"])
                configuration.pool = "pool-\(found.count)"
                change(&configuration)
                let kernel = try Pool(adopting: configuration)
                for (stream, folder) in [("UDP", "udp-4739-0_0_0_0"), ("TCP", "tcp-1790-0_0_0_0")] {
                    found["\(name), \(stream)"] = try Self.size(ofProgramIn: "\(configuration.pool)/groups/\(folder)")
                }
                withExtendedLifetime(kernel) {}
            }
            for (name, size) in found.sorted(by: { $0.key < $1.key }) {
                print("\"\(name)\": Program(verified: \(size.verified), translated: \(size.translated)),")
            }
            let isKnown = Self.kernel.hasPrefix(InstructionBudgets.kernel)
            try #require(Set(found.keys) == Set(InstructionBudgets.programs.keys))
            for (name, size) in found {
                let budget = InstructionBudgets.programs[name]!
                // Another verifier counts otherwise, but not so much.
                #expect(
                    isKnown ? size == budget : size.verified < 2 * budget.verified, "\(name): \(size), budget \(budget)"
                )
            }
        }
    }

    private static let variants: [(String, @Sendable (inout PoolConfiguration) -> Void)] = [
        ("tracking off", { $0.tracking = .off }),
        ("tracking on", { _ in }),
        ("tracking off, exporters configured", { ($0.tracking, $0.exporters) = (.off, exporters) }),
        ("tracking on, exporters configured", { $0.exporters = exporters }),
        ("round-robin, tracking off", { ($0.tracking, $0.assignment) = (.off, .roundRobin) }),
        ("kernel, tracking off", { ($0.tracking, $0.assignment) = (.off, .kernel) }),
    ]

    private static let exporters = [
        PoolConfiguration.Exporter(name: "e", prefixes: [AddressPrefix(.v4(0x0a00_0001))])
    ]

    private static var kernel: String { FileText.read("/proc/sys/kernel/osrelease") ?? "" }

    /// The program of the current generation.
    private static func size(ofProgramIn group: String) throws -> InstructionBudgets.Program {
        let programs = Descriptor(
            owning: rpa_open_pin("/sys/fs/bpf/reuseport-agent/\(group)/programs"))
        var identifier: UInt32 = 0
        let isThere = (0..<UInt32(RPA_GENERATIONS)).contains { rpa_map_lookup(programs.number, $0, &identifier) == 0 }
        try #require(isThere)
        var size = rpa_program_size()
        let result = rpa_program_size_of(identifier, &size)
        try #require(result == 0)
        return InstructionBudgets.Program(verified: Int(size.verified), translated: Int(size.translated))
    }
}
