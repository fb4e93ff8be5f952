import CBPFShim
import Glibc
import PoolReport
import TelemetryLab
import Testing
import TestSupport

@testable import TestProcesses

/// One of four collectors is killed under load.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct KilledCollectorTests {
    private static let hold: Duration = .milliseconds(800)

    private static let plan = AssignmentPlan.edge(["c1", "c2", "c3", "c4"])

    @Test(arguments: [false, true])
    func `kill -9 of 1 of 4 under load moves its own exporters to rank 2 and back and loses nothing of the others`(
        withoutAgent: Bool
    ) async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, configuration: AgentFixture.configuration(hold: "800ms"))
            var collectors = try CountedCollector.four(in: sandbox, with: agent)
            let traffic = try CountedTraffic(
                exporters: 200, rate: 20_000, sessions: 200, by: Self.plan, in: sandbox)
            let ranks = traffic.addresses.map { Self.plan.explain($0).ranks }
            let own = ranks.indices.filter { ranks[$0][0] == "c1" }
            #expect(own.count > 20)
            try traffic.waitForDatagrams(10_000)
            if withoutAgent {
                try agent.kill()
                try traffic.waitForDatagrams(4_000)
            }
            traffic.ledger[.stall] = 0
            let killed = rpa_monotonic_ns()
            collectors[0].kill()
            // The killed collector's sockets are closed by then.
            try collectors[0].process.wait()
            let ended = rpa_monotonic_ns()
            try traffic.wait("c1's sessions are lost") { traffic.losers(since: killed).isSuperset(of: own) }
            try traffic.waitForSessions(200)
            try traffic.waitForDatagrams(10_000)
            // The hold begins between the two times, and the exporters notice its end in a few rounds of
            // their loop: one that starts the hold, and of a session one each to connect, finish, and note.
            let stall = traffic.ledger[.stall]
            let nanoseconds = UInt64(Self.hold / .nanoseconds(1))
            let onTime = killed + nanoseconds - 20_000_000...ended + nanoseconds + 100_000_000 + 4 * stall
            if withoutAgent { try agent.restart() }
            collectors.append(try CountedCollector("c1", in: sandbox))
            try collectors[4].register(with: agent)
            // An exporter that opened a session elsewhere returns when that session ends.
            try traffic.endSessions(until: own.count, at: collectors[4])
            try traffic.waitForDatagrams(10_000)
            try traffic.stop(collectors)

            let receipts = Receipts(traffic, collectors)
            let names = collectors.map(\.name)
            var reached: [UInt64] = []
            for (index, exporter) in receipts.exporters.enumerated() {
                #expect(exporter.duplicates == 0)
                guard ranks[index][0] == "c1" else {
                    #expect(exporter.lost == 0, "exporter \(index)")
                    #expect(exporter.path.map { names[$0] } == [ranks[index][0]])
                    #expect(exporter.sessionPath == exporter.path)
                    continue
                }
                let second = names.firstIndex(of: ranks[index][1])!
                #expect(exporter.path == [0, second, 4])
                #expect(exporter.sessionPath == exporter.path)
                // Held, but neither at the failover nor at the return is one lost.
                #expect(exporter.lost > 0 && exporter.lost(sinceReaching: second) == 0)
                if let first = exporter.firstSent[second] { reached.append(first) }
            }
            let reopened = traffic.firstSessions(of: Set(own), since: killed)
            for times in [reached, reopened] {
                #expect(times.count == own.count)
                let waited = times.map { (Double($0) - Double(killed)) / 1e6 }.sorted()
                #expect(
                    times.allSatisfy { onTime.contains($0) },
                    "\(waited) ms; ended after \(ended - killed) ns, longest round \(stall) ns")
            }
            #expect(receipts.torn == 0 && receipts.sentInSession > 20_000, "\(receipts.torn)")
        }
    }
}
