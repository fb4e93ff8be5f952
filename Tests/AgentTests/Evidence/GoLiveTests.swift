import Glibc
import PoolModel
import TelemetryLab
import Testing
import TestSupport

@testable import TestProcesses

/// The steps of docs/operations.md, "Go live on running collectors".
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct GoLiveTests {
    @Test func `collectors that run are registered one by one under load, and nothing is lost`() async throws {
        try await Sandbox.run { sandbox in
            let collectors = try (1...4).map { try CountedCollector("c\($0)", in: sandbox) }
            for collector in collectors { try collector.waitUntilBound() }
            let traffic = try CountedTraffic(
                exporters: 200, rate: 4_000, by: .edge(collectors.map(\.name)), in: sandbox)
            try traffic.waitForDatagrams(4_000)
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, configuration: AgentFixture.configuration(hold: "0s"))
            let words = "✗ group_not_joined: group ipfix (udp 0.0.0.0:4739)"
            #expect(
                waitUntil(.seconds(30)) { (try? agent.command(["status"]).output.contains(words)) ?? false })
            try traffic.waitForDatagrams(2_000)
            for collector in collectors {
                try collector.register(with: agent)
                try traffic.waitForDatagrams(2_000)
            }
            try FileText.write(AgentFixture.configuration(hold: "10s"), to: agent.configurationPath)
            #expect(try agent.command(["reload"]).exitCode == 0)
            try traffic.waitForDatagrams(2_000)
            #expect(try agent.command(["check", "--live"]).exitCode == 0)
            let outcomes = try agent.status().groups[0].outcomes
            #expect(outcomes.held == 0 && outcomes.noCollector == 0, "\(outcomes)")
            try traffic.stop(collectors)
            let received = collectors.reduce(0) { $0 + Int($1.ledger[.total]) }
            #expect(received == traffic.sent)
        }
    }
}
