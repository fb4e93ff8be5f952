import CTestShim
import Glibc
import PoolModel
import PoolReport
import TelemetryLab
import Testing
import TestSupport

@testable import AgentCore

/// Spoofed sources, and their effect on real exporters.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct FloodTests {
    /// FLOOD=10000000 in the environment makes it as many.
    private static let count = getenv("FLOOD").flatMap { UInt32(String(cString: $0)) } ?? 1_000_000

    @Test func `under a flood of spoofed sources memory is bounded and 200 exporters stay in place and tracked`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(extra: "tracking: {size: 65536, interval: 5s}"))
            let collectors = try agent.registerFour()
            let sources = (0..<200).map { IPAddress.v4(0x0b00_0000 + UInt32($0)) }
            let exporters = try sources.map { try InternetSocket(.udp, bind: $0) }
            /// A datagram of each; the collector that got it.
            func round() throws -> [IPAddress: String] {
                for collector in collectors { _ = collector.udp.receiveWaiting() }
                for exporter in exporters { try exporter.send([1, 2, 3, 4, 5], to: .v4(0x7f00_0001), 4_739) }
                var places: [IPAddress: String] = [:]
                for collector in collectors {
                    for datagram in collector.udp.receiveWaiting() where datagram.bytes.count == 5 {
                        places[datagram.source] = collector.name
                    }
                }
                return places
            }
            let before = try round()
            #expect(before.count == sources.count)
            let footprint = try AgentFootprint(of: agent)
            var most = footprint.residentKiB
            var rounds = 1
            // Small: an exporter that is silent for an interval may lose its place.
            let part: UInt32 = 20_000
            for first in stride(from: 0, to: Self.count, by: Int(part)) {
                let sent = lab_flood(0x0a00_0000 &+ first, min(part, Self.count - first), 4_739, 20)
                #expect(sent == min(part, Self.count - first), "errno \(-sent)")
                #expect(try round() == before)
                rounds += 1
                most = max(most, try AgentFootprint(of: agent).residentKiB)
            }
            let status = try JSON.decode(PoolStatus.self, from: Array(agent.get("/status").body.utf8))
            let tracking = try #require(status.tracking)
            #expect(tracking.tracked == 65_536 && tracking.fill == 1)
            // Exporters that send stay tracked.
            for source in sources {
                let detail = try JSON.decode(
                    ExporterDetail.self, from: Array(agent.get("/exporters/\(source)").body.utf8))
                #expect(detail.exporter?.udp.runs == UInt64(rounds), "\(source)")
            }
            // All is counted: apart, or together.
            let total = status.groups[0].outcomes.selected
            #expect(total == UInt64(Self.count) + UInt64(rounds * sources.count))
            #expect(tracking.untracked.runs >= UInt64(Self.count) - 65_536)
            // The log advises a larger table, and the agent's memory has hardly grown.
            #expect(agent.process.errorOutput.contains("raise size in tracking: {size: 65536}"))
            #expect(most < footprint.residentKiB + 16_384, "KiB")
            #expect(waitUntil(.seconds(30)) { ((try? Self.interval(agent)) ?? 0) > 5 }, "the interval is longer")
            print(
                "EVIDENCE flood", Self.count, "sources;", footprint.residentKiB, "KiB, at most", most, "KiB;",
                tracking.evicted, "evicted,", tracking.untracked.runs, "runs together,", tracking.eventsLost,
                "events lost")
        }
    }

    private static func interval(_ agent: AgentFixture) throws -> Double? {
        try JSON.decode(PoolStatus.self, from: Array(agent.get("/status").body.utf8)).tracking?.interval
    }
}
