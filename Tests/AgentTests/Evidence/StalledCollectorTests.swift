import Glibc
import PoolReport
import TelemetryLab
import Testing
import TestSupport

@testable import TestProcesses

/// A collector that is stopped: its process lives, and its sockets are there.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct StalledCollectorTests {
    private struct Stage {
        let agent: AgentFixture
        let collectors: [CountedCollector]
        let traffic: CountedTraffic
        let stopped: ContinuousClock.Instant

        /// Stops c1 of four under load.
        init(in sandbox: Sandbox, _ extra: String = "") throws {
            agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(hold: "1s", extra: extra))
            collectors = try CountedCollector.four(in: sandbox, with: agent)
            traffic = try CountedTraffic(
                exporters: 200, rate: 10_000, by: .edge((1...4).map { "c\($0)" }), in: sandbox)
            try traffic.waitForDatagrams(10_000)
            collectors[0].process.send(SIGSTOP)
            stopped = .now
        }

        func waitForReport() throws -> Duration {
            try traffic.wait("c1 is reported") {
                agent.process.errorOutput.contains("collector c1 has read nothing for ")
            }
            return .now - stopped
        }
    }

    @Test func `one of four stopped under load is reported within 10 s, with state, finding, metric and event`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let stage = try Stage(in: sandbox)
            let time = try stage.waitForReport()
            #expect(time <= .seconds(10), "\(time)")
            print("a stopped collector was reported after \(time)")
            let agent = stage.agent
            #expect(waitUntil(.seconds(10)) { (try? agent.get("/status").body.contains("collector_stalled")) ?? false })
            #expect(
                try agent.get("/metrics").body.contains(
                    "reuseport_agent_collector_stalled{pool=\"edge\",collector=\"c1\"} 1"))
            #expect(try agent.get("/healthz").status == 503)
            #expect(try agent.command(["check", "--live"]).exitCode == 5)
            let check = try agent.command(["status", "--check"])
            #expect(check.exitCode == 1 && check.output.contains("collector c1 reads nothing"), "\(check)")
            #expect(try !agent.isActive("c1") && agent.isActive("c2"))
            let reader = try EventReader(target: "/events?after=0")
            #expect(waitUntil(.seconds(10)) { ((try? reader.events()) ?? []).contains { $0.kind == .stalled } })
            #expect(try agent.command(["status"]).output.contains("stalled"))
            stage.collectors[0].process.send(SIGCONT)
            try stage.traffic.wait("c1 is reported as reading") {
                agent.process.errorOutput.contains("collector c1 reads again")
            }
            #expect(waitUntil(.seconds(10)) { (try? agent.isActive("c1")) ?? false })
            #expect(waitUntil(.seconds(10)) { (try? agent.command(["check", "--live"]).exitCode) == 0 })
            try stage.traffic.stop(stage.collectors)
        }
    }

    @Test func `with stalled failover its exporters are elsewhere after the hold, and back when it reads again`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let stage = try Stage(in: sandbox, "stalled_after: 2s\nstalled: failover")
            _ = try stage.waitForReport()
            let plan = AssignmentPlan.edge((1...4).map { "c\($0)" })
            let own = stage.traffic.addresses.indices.filter { plan.owner(of: stage.traffic.addresses[$0]) == "c1" }
            let others = stage.collectors.dropFirst()
            func elsewhere() -> Int { own.count { index in others.contains { $0.ledger[countOf: index] > 0 } } }
            let failedOver = ContinuousClock.now
            try stage.traffic.wait("all of c1's exporters are at others") { elsewhere() == own.count }
            print("exporters of a stopped collector were at others \(.now - failedOver) after the report, hold 1 s")
            let agent = stage.agent
            let words = "collector c1 reads nothing: its exporters are at other collectors"
            #expect(waitUntil(.seconds(10)) { agent.process.errorOutput.contains(words) })
            let reader = try EventReader(target: "/events?after=0")
            #expect(waitUntil(.seconds(10)) { ((try? reader.events()) ?? []).contains { $0.kind == .failedOver } })
            #expect(try !reader.events().contains { $0.kind == .lost })
            // Nothing that keeps collectors registered takes it for a loss, and neither does the next agent.
            for _ in 0..<2 {
                try stage.traffic.waitForDatagrams(60_000)
                #expect(!agent.process.errorOutput.contains("has its sockets again"))
                #expect(!agent.process.errorOutput.contains("collector c1 is gone"))
                let status = try agent.status().collectors.first { $0.name == "c1" }
                #expect(status?.state == "stalled" && status?.advice?.contains("until it reads again") == true)
                try agent.kill()
                try agent.restart()
            }
            let before = own.map { index in others.reduce(0) { $0 + $1.ledger[countOf: index] } }
            try stage.traffic.wait("all of c1's exporters are still at others") {
                zip(own, before).allSatisfy { index, count in
                    others.reduce(0) { $0 + $1.ledger[countOf: index] } > count
                }
            }
            stage.collectors[0].process.send(SIGCONT)
            try stage.traffic.wait("c1 is active again") { (try? stage.agent.isActive("c1")) ?? false }
            let counts = own.map { stage.collectors[0].ledger[countOf: $0] }
            try stage.traffic.wait("all of c1's exporters are at c1 again") {
                zip(own, counts).allSatisfy { stage.collectors[0].ledger[countOf: $0] > $1 }
            }
            try stage.traffic.stop(stage.collectors)
        }
    }
}
