import CBPFShim
import PoolModel
import SockArrayCore
import TelemetryLab
import Testing
import TestSupport

@testable import AgentCore

/// The memory that a limit is advised by, beside what the kernel counts for a pool's maps.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct PoolMemoryTests {
    @Test(arguments: [
        "tracking: off", "", "tracking: {size: 300000}", "table_size: 1048576",
        "exporters: [{name: lab, addresses: [198.51.100.0/24]}]",
    ])
    func `the memory estimate is at least the kernel's own count for the maps`(extra: String) async throws {
        try await Sandbox.run { sandbox in
            let file = sandbox.newPath("edge.yaml")
            try FileText.write(AgentFixture.configuration(extra: extra), to: file)
            let check = try CommandResult.of(AgentUnderTest.program, ["check", "--config", file], in: sandbox)
            let counted = try #require(
                check.output.firstMatch(of: /maps can be made, ([0-9.]+) MiB/), "\(check.output)")
            let mebibytes = try #require(Double(counted.1))
            let estimate =
                Double(
                    PoolMemory.mapBytes(
                        of: try PoolConfiguration.load(path: file), cpuCount: Int(rpa_possible_cpus())))
                / 1_048_576
            print("\(extra): the kernel counts \(mebibytes) MiB, the estimate is \(estimate)")
            #expect(estimate >= mebibytes - 0.1)
            // With the second generation that a reload makes.
            #expect(estimate <= 1.5 * mebibytes + 2)
        }
    }
}
