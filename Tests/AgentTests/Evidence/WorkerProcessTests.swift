import Glibc
import PoolReport
import TelemetryLab
import Testing
import TestSupport

@testable import TestProcesses

/// Processes that have several sockets in each group.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct WorkerProcessTests {
    private static func configuration(
        _ collectors: [String] = ["c1", "c2"], workers: String = "packet", hold: String = "1h"
    ) -> String {
        AgentFixture.configuration(collectors: collectors.map { "{name: \($0), workers: \(workers)}" }, hold: hold)
    }

    /// Workers of a collector in group ipfix, by the agent's status.
    private static func workers(_ name: String, _ agent: AgentFixture) -> Int {
        guard let group = try? agent.status().collectors.first(where: { $0.name == name })?.groups["ipfix"] else {
            return 0
        }
        return group.workers?.count ?? (group.cookie == nil ? 0 : 1)
    }

    private func resize(_ collector: CountedCollector, to count: Int, in sandbox: Sandbox) throws {
        collector.ledger[.workers] = UInt64(count)
        let signal = try ChildProcess(["kill", "-USR1", "\(collector.pid)"], in: sandbox)
        #expect(try signal.wait() == 0)
    }

    @Test func `sockets that close and open under 20,000 datagrams a second: no exporter at another collector`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, configuration: Self.configuration())
            let collectors = try ["c1", "c2"].map { try CountedCollector($0, in: sandbox, workers: 4) }
            for collector in collectors { try collector.register(with: agent) }
            #expect(Self.workers("c1", agent) == 4)
            let plan = AssignmentPlan.edge(["c1", "c2"])
            let traffic = try CountedTraffic(exporters: 100, rate: 20_000, sessions: 50, by: plan, in: sandbox)
            try traffic.waitForDatagrams(10_000)
            for count in [3, 1, 4, 2, 6] {
                try resize(collectors[0], to: count, in: sandbox)
                try traffic.wait("c1 has \(count) workers", .seconds(30)) { Self.workers("c1", agent) == count }
                try traffic.waitForDatagrams(10_000)
                #expect(try agent.isActive("c1"))
            }
            #expect(agent.process.errorOutput.contains("collector c1 has further sockets, and they are registered"))
            try traffic.stop(collectors)
            let exporters = Receipts(traffic, collectors).exporters
            for (index, exporter) in exporters.enumerated() {
                let owner = plan.owner(of: traffic.addresses[index])
                #expect(exporter.path == collectors.indices.filter { collectors[$0].name == owner })
                #expect(exporter.duplicates == 0)
            }
            let lost = exporters.reduce(0) { $0 + $1.lost }
            let unread = Int(collectors[0].ledger[.unread])
            // Four times, a few may come between the last counting and the close.
            #expect(lost <= unread + 20, "\(lost) lost, \(unread) unread")
            print("EVIDENCE workers close and open: \(traffic.sent) sent, \(lost) lost, \(unread) of them unread")
        }
    }

    @Test func `ten rounds of replace from 4 to 6 workers and back at 50,000/s lose, misdirect and reset nothing`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, configuration: Self.configuration())
            var collectors = try ["c1", "c2"].map { try CountedCollector($0, in: sandbox, workers: 4) }
            for collector in collectors { try collector.register(with: agent) }
            let plan = AssignmentPlan.edge(["c1", "c2"])
            let traffic = try CountedTraffic(exporters: 100, rate: 50_000, sessions: 100, by: plan, in: sandbox)
            traffic.ledger[.endings] = 200
            for round in 0..<10 {
                for name in ["c1", "c2"] {
                    let old = collectors.last { $0.name == name }!
                    let count = round % 2 == 0 ? 6 : 4
                    let new = try CountedCollector(name, in: sandbox, workers: count)
                    try new.waitUntilBound()
                    let result = try agent.command(
                        ["replace", "--collector", name, "--pid", "\(new.pid)", "--terminate"])
                    #expect(result.exitCode == 0, "\(result.errorOutput)")
                    #expect(try old.process.wait() == -SIGTERM)
                    #expect(Self.workers(name, agent) == count)
                    collectors.append(new)
                }
            }
            traffic.ledger[.endings] = 0
            try traffic.waitForSessions(100)
            try traffic.stop(collectors)
            let receipts = Receipts(traffic, collectors)
            for (index, exporter) in receipts.exporters.enumerated() {
                let owner = plan.owner(of: traffic.addresses[index])
                let own = collectors.indices.filter { collectors[$0].name == owner }
                #expect(exporter.lost == 0 && exporter.duplicates == 0)
                // The sockets are replaced one after the other: for microseconds, both processes receive.
                #expect(exporter.path.allSatisfy(own.contains))
                #expect(exporter.sessionPath.allSatisfy(own.contains))
            }
            let entries = traffic.ledger.entries()
            let opened = entries.filter { $0.kind == LedgerEntry.Kind.began.rawValue }
            #expect(
                opened.allSatisfy { receipts.exporters[Int($0.exporter)].holders[$0.session] != nil },
                "reset before they were accepted")
            #expect(entries.count { $0.kind == LedgerEntry.Kind.refused.rawValue } == 0)
            print("EVIDENCE replace of workers: \(traffic.sent) datagrams, \(opened.count) sessions, 0 lost")
        }
    }

    @Test func `after a reload to workers: cpu, the sockets that are registered are arranged by their CPUs`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, configuration: Self.configuration(["c1"]))
            let collector = try CountedCollector("c1", in: sandbox, workers: 4)
            try collector.register(with: agent)
            func cookies() throws -> [UInt64]? {
                try agent.status().collectors[0].groups["ipfix"]?.workers?.map(\.cookie)
            }
            let before = try #require(try cookies())
            try FileText.write(Self.configuration(["c1"], workers: "cpu"), to: agent.configurationPath)
            #expect(try agent.command(["reload"]).exitCode == 0)
            #expect(try waitUntil(.seconds(20)) { try cookies() == before.reversed() }, "\(before)")
            collector.process.send(SIGTERM)
            try collector.process.wait()
        }
    }

    @Test func `a process that is killed with all of its workers is held, and has them again under exec`() async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, configuration: Self.configuration(hold: "1s"))
            let launcher = [AgentUnderTest.program, "exec", "--collector", "c1", "--"]
            let first = try CountedCollector("c1", in: sandbox, launcher: launcher, workers: 4)
            let other = try CountedCollector("c2", in: sandbox, workers: 2)
            try other.register(with: agent)
            #expect(waitUntil(.seconds(20)) { (try? agent.isActive("c1")) == true && Self.workers("c1", agent) == 4 })
            try first.waitUntilBound()
            first.process.send(SIGTERM)
            try first.process.wait()
            #expect(waitUntil(.seconds(20)) { Self.workers("c1", agent) == 0 })
            #expect(waitUntil(.seconds(20)) { (try? agent.status().collectors[0].state) == "failed" })
            let second = try CountedCollector("c1", in: sandbox, launcher: launcher, workers: 3)
            #expect(waitUntil(.seconds(20)) { (try? agent.isActive("c1")) == true && Self.workers("c1", agent) == 3 })
            for collector in [second, other] {
                collector.process.send(SIGTERM)
                try collector.process.wait()
            }
        }
    }
}
