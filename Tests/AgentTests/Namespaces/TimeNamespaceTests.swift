import Glibc
import PoolModel
import PoolReport
import TelemetryLab
import Testing
import TestSupport

@testable import AgentCore

/// An agent whose clock isn't the kernel's (time_namespaces(7)).
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct TimeNamespaceTests {
    private static let source = IPAddress.v4(0x0a00_0001)

    /// Runs a command with clocks that are ahead by so many seconds, or behind.
    private static func launcher(_ seconds: Int) -> [String] {
        ["unshare", "--time", "--monotonic=\(seconds)", "--boottime=\(seconds)"]
    }

    private static func status(of agent: AgentFixture) throws -> PoolStatus {
        try JSONText.decode(PoolStatus.self, from: agent.command(["status", "--json"]).output)
    }

    private static func send() throws {
        // A refused datagram is answered.
        try? InternetSocket(.udp, bind: source).send([1], to: .v4(0x7f00_0001), 4_739)
    }

    /// Behind by more than the hold, and by less than the machine runs.
    @Test(arguments: [86_400, -65], [true, false])
    func `in a time namespace exporters are held for the hold, whoever notes the loss, and status says so`(
        offset: Int, isNotedByAgent: Bool
    ) async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(collectors: ["c1", "c2"], hold: "60s"),
                launcher: Self.launcher(offset))
            var collectors: [String: CountedCollector] = [:]
            for name in ["c1", "c2"] {
                collectors[name] = try CountedCollector(name, in: sandbox)
                try collectors[name]!.register(with: agent)
            }
            let owner = try agent.owners(of: [Self.source])[0]
            func state() throws -> String? {
                try Self.status(of: agent).collectors.first { $0.name == owner }?.state
            }
            func outcomes() throws -> PoolStatus.Outcomes {
                try Self.status(of: agent).groups.first { $0.name == "ipfix" }!.outcomes
            }
            if !isNotedByAgent { agent.process.send(SIGSTOP) }
            collectors[owner]!.kill()
            try collectors[owner]!.process.wait()
            if isNotedByAgent { #expect(waitUntil(.seconds(20)) { agent.process.errorOutput.contains("has ended (") }) }
            try Self.send()
            agent.process.send(SIGCONT)
            #expect(try state() == "holding")
            let left = try Self.status(of: agent).collectors.first { $0.name == owner }?.holdLeft ?? 0
            #expect(left > 0 && left <= 60, "\(left)")
            let held = try outcomes()
            #expect(held.held == 1 && held.failedOver == 0, "\(held)")

            try PinnedMaps.letPass(.seconds(61), pool: "edge")
            #expect(try state() == "failed")
            try Self.send()
            #expect(try outcomes().failedOver == 1)
        }
    }

    @Test func `in a time namespace exporters have the times at which they sent`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, launcher: Self.launcher(86_400))
            let collectors = try agent.registerFour()
            let start = Double(time(nil))
            try Self.send()
            #expect(collectors.reduce(0) { $0 + $1.udp.receiveWaiting().count } == 1)
            let list = try JSONText.decode(ExporterList.self, from: agent.get("/exporters").body)
            let exporter = try #require(list.exporters.first)
            // Right to a tick of 0.3 s.
            #expect(exporter.lastSeen > start - 2 && exporter.lastSeen < Double(time(nil)) + 2, "\(exporter)")
            let check = try CommandResult.of(
                Self.launcher(86_400)[0],
                Self.launcher(86_400).dropFirst() + [
                    AgentUnderTest.program, "check", "--config", agent.configurationPath,
                ],
                in: sandbox)
            #expect(
                check.output.contains("✓ clock: the agent is in a time namespace, 86400 s ahead of the kernel's clock"),
                "\(check.output)")
        }
    }

    @Test func `an agent in another time namespace adopts living collectors, and notices their end`() async throws {
        try await Sandbox.run { sandbox in
            let configuration = AgentFixture.configuration(collectors: ["c1"])
            let first = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, configuration: configuration,
                launcher: Self.launcher(86_400))
            let collector = try CountedCollector("c1", in: sandbox)
            try collector.register(with: first)
            try first.kill()
            let second = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, configuration: configuration)
            // Two answers: in between, the agent has looked at its collectors.
            for _ in 0..<2 {
                let status = try Self.status(of: second)
                #expect(status.collectors.map(\.state) == ["active"] && status.collectors[0].pid == collector.pid)
            }
            #expect(!second.process.errorOutput.contains("has ended"), "\(second.process.errorOutput)")
            collector.kill()
            #expect(waitUntil(.seconds(20)) { second.process.errorOutput.contains("has ended (") })
        }
    }
}
