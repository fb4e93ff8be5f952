import CBPFShim
import Glibc
import PoolModel
import PoolReport
import TelemetryLab
import Testing
import TestSupport

@testable import TestProcesses

/// While a row has a live session, its exporters' datagrams go where that is.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct FollowedSessionTests {
    @Test func `from 4 to 5 collectors, with 200 sessions reopened, no datagram reaches a process without its session`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            var collectors = try CountedCollector.four(in: sandbox, with: agent)
            let names = (1...5).map { "c\($0)" }
            let (before, after) = (AssignmentPlan.edge(Array(names.prefix(4))), AssignmentPlan.edge(names))
            let traffic = try CountedTraffic(exporters: 200, rate: 10_000, sessions: 200, by: after, in: sandbox)
            let owners = traffic.addresses.map { (before.owner(of: $0)!, after.owner(of: $0)!) }
            let movers = owners.indices.filter { owners[$0].0 != owners[$0].1 }
            #expect(movers.count > 20 && movers.allSatisfy { owners[$0].1 == "c5" })
            try traffic.waitForDatagrams(5_000)
            try FileText.write(AgentFixture.configuration(collectors: names), to: agent.configurationPath)
            let reloaded = try agent.command(["reload"])
            #expect(reloaded.exitCode == 0, "\(reloaded.errorOutput)")
            try traffic.waitForDatagrams(2_000)
            // Sessions end while it comes, too.
            traffic.ledger[.endings] = 50
            collectors.append(try CountedCollector("c5", in: sandbox))
            try collectors[4].register(with: agent)
            try traffic.endSessions(until: movers.count, at: collectors[4])
            try traffic.waitForDatagrams(5_000)
            try traffic.stop(collectors)

            let receipts = Receipts(traffic, collectors)
            for (index, exporter) in receipts.exporters.enumerated() {
                #expect(exporter.lost == 0 && exporter.duplicates == 0)
                let (first, last) = owners[index]
                #expect(exporter.path.map { names[$0] } == (first == last ? [first] : [first, last]))
                #expect(exporter.sessionPath == exporter.path)
            }
            #expect(receipts.torn == 0 && receipts.unaccepted == 0)
            #expect(receipts.sentInSession > 10_000)
        }
    }

    @Test
    func `failback of a killed collector, with 200 sessions reopened, sends none to a process without its session`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, configuration: AgentFixture.configuration(hold: "200ms"))
            var collectors = try CountedCollector.four(in: sandbox, with: agent)
            let plan = AssignmentPlan.edge((1...4).map { "c\($0)" })
            let traffic = try CountedTraffic(exporters: 200, rate: 10_000, sessions: 200, by: plan, in: sandbox)
            let owners = traffic.addresses.map { plan.owner(of: $0) }
            let own = owners.count { $0 == "c1" }
            traffic.ledger[.endings] = 100
            for _ in 0..<3 {
                try traffic.waitForDatagrams(5_000)
                let killed = rpa_monotonic_ns()
                collectors.last { $0.name == "c1" }!.kill()
                // At least half of c1's exporters had sessions, and few sessions ended by themselves.
                try traffic.wait("c1's exporters have lost their sessions, and have others") {
                    let losers = traffic.losers(since: killed).filter { owners[$0] == "c1" }
                    return losers.count > own / 4
                        && traffic.firstSessions(of: losers, since: killed).count == losers.count
                }
                collectors.append(try CountedCollector("c1", in: sandbox))
                let returned = collectors.last!
                try returned.register(with: agent)
                try traffic.wait("c1 has half of its own") { returned.ledger[.sessions] > own / 2 }
            }
            try traffic.endSessions(until: own, at: collectors.last!)
            try traffic.stop(collectors)

            let receipts = Receipts(traffic, collectors)
            #expect(receipts.torn == 0, "of \(receipts.sentInSession)")
            #expect(receipts.sentInSession > 20_000)
            for (index, exporter) in receipts.exporters.enumerated() {
                #expect(exporter.duplicates == 0)
                guard plan.owner(of: traffic.addresses[index]) != "c1" else { continue }
                #expect(exporter.lost == 0 && exporter.path.count == 1)
            }
        }
    }

    @Test func `60 pins that come and go in 256 rows send no datagram to a process without its session`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let unpinned = AgentFixture.configuration(extra: "table_size: 256")
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program, configuration: unpinned)
            let collectors = try CountedCollector.four(in: sandbox, with: agent)
            let plan = AssignmentPlan.edge((1...4).map { "c\($0)" })
            let traffic = try CountedTraffic(exporters: 200, rate: 10_000, sessions: 200, by: plan, in: sandbox)
            // Most share their row with others.
            let exporters = traffic.addresses.prefix(60).enumerated().map { index, address in
                "{name: p\(index), addresses: [\"\(address)\"], collector: c\(index % 4 + 1)}"
            }
            let pinned = "\(unpinned)\nexporters: [\(exporters.joined(separator: ", "))]"
            // They last 2 s each: some have ended when the next table comes.
            traffic.ledger[.endings] = 100
            for round in 0..<12 {
                try FileText.write(round % 2 == 0 ? pinned : unpinned, to: agent.configurationPath)
                let reloaded = try agent.command(["reload"])
                #expect(reloaded.exitCode == 0, "\(reloaded.errorOutput)")
                try traffic.waitForDatagrams(10_000)
                // About three of four have to move, and most of them must have, however slowly sessions end.
                try traffic.wait("40 of 60 exporters are where the table wants them") {
                    try Self.settled(traffic.addresses.prefix(60), by: agent) >= 40
                }
            }
            try traffic.stop(collectors)
            let receipts = Receipts(traffic, collectors)
            #expect(receipts.torn == 0 && receipts.unaccepted == 0, "of \(receipts.sentInSession)")
            #expect(receipts.sentInSession > 50_000)
            #expect(receipts.exporters.allSatisfy { $0.lost == 0 && $0.duplicates == 0 })
            #expect(receipts.exporters.prefix(60).count { $0.path.count > 2 } > 20)
        }
    }

    /// The exporters that don't wait for a session of theirs to end.
    private static func settled(_ exporters: some Sequence<IPAddress>, by agent: AgentFixture) throws -> Int {
        let output = try agent.command(["explain", "--json"] + exporters.map { "\($0)" }).output
        return try output.split(separator: "\n").count {
            try JSONText.decode(Explanation.self, from: String($0)).why != "session"
        }
    }

    @Test func `on_move reset cuts each moving session once, even if its router returns after 10 ms`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let extra = "on_move: reset"
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, configuration: AgentFixture.configuration(extra: extra))
            var collectors = try CountedCollector.four(in: sandbox, with: agent)
            let names = (1...5).map { "c\($0)" }
            let (before, after) = (AssignmentPlan.edge(Array(names.prefix(4))), AssignmentPlan.edge(names))
            let traffic = try CountedTraffic(exporters: 200, rate: 10_000, sessions: 200, by: after, in: sandbox)
            let movers = traffic.addresses.count { before.owner(of: $0) != after.owner(of: $0) }
            try FileText.write(
                AgentFixture.configuration(collectors: names, extra: extra), to: agent.configurationPath)
            let reloaded = try agent.command(["reload"])
            #expect(reloaded.exitCode == 0, "\(reloaded.errorOutput)")
            collectors.append(try CountedCollector("c5", in: sandbox))
            try collectors[4].register(with: agent)
            try traffic.wait("c5 has its \(movers) sessions") { collectors[4].ledger[.sessions] == movers }
            try traffic.waitForSessions(200)
            try traffic.waitForDatagrams(5_000)
            let lost = traffic.ledger.entries().count { $0.kind == LedgerEntry.Kind.lost.rawValue }
            #expect(lost == movers && movers > 20)
            try traffic.stop(collectors)
            let receipts = Receipts(traffic, collectors)
            for (index, exporter) in receipts.exporters.enumerated() {
                let owner = after.owner(of: traffic.addresses[index])!
                #expect(exporter.lost == 0 && exporter.duplicates == 0)
                #expect(exporter.path.last.map { names[$0] } == owner)
                #expect(exporter.sessionPath.last.map { names[$0] } == owner)
            }
        }
    }
}
