import Glibc
import PoolModel
import TelemetryLab
import Testing
import TestSupport

/// c1 becomes c9 in the configuration, and its process runs on with a session.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct RenamedCollectorTests {
    private static let exporter = IPAddress("10.0.0.1")!

    /// c1 alone, so that it has the session; then c9 and c2 are in the configuration.
    private static func rename(
        in sandbox: Sandbox
    ) throws -> (agent: AgentFixture, collector: CountedCollector, router: InternetSocket) {
        let agent = try AgentFixture(
            in: sandbox, program: AgentUnderTest.program, configuration: AgentFixture.configuration(collectors: ["c1"]))
        let collector = try CountedCollector("c1", in: sandbox)
        try collector.register(with: agent)
        let router = try InternetSocket(.tcp, bind: exporter)
        try router.connect(.v4(0x7f00_0001), 1_790)
        try FileText.write(AgentFixture.configuration(collectors: ["c9", "c2"]), to: agent.configurationPath)
        let reloaded = try agent.command(["reload"])
        #expect(reloaded.exitCode == 0, "\(reloaded)")
        let refused = try register(collector, with: agent)
        #expect(refused.exitCode == 5)
        #expect(
            refused.errorOutput.contains("is still registered as c1, which left the configuration and is draining; "),
            "\(refused)")
        #expect(refused.errorOutput.contains("run: reuseport-agent unregister --collector c1, and repeat it at once"))
        #expect(refused.errorOutput.contains("or repeat it when c1 is empty and gone from reuseport-agent status"))
        return (agent, collector, router)
    }

    private static func register(_ collector: CountedCollector, with agent: AgentFixture) throws -> CommandResult {
        try agent.command(["register", "--collector", "c9", "--pid", "\(collector.pid)"])
    }

    @Test
    func `a renamed collector's process is refused as c9 until c1 is empty and c2 is there`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let (agent, collector, router) = try Self.rename(in: sandbox)
            let explained = try agent.command(["explain", "\(Self.exporter)"]).output
            #expect(explained.contains("-> c1, "), "\(explained)")
            let other = try CountedCollector("c2", in: sandbox)
            try other.register(with: agent)
            #expect(try Self.register(collector, with: agent).exitCode == 5)
            shutdown(router.number, Int32(SHUT_RDWR))
            #expect(try waitUntil(.seconds(5)) { try Self.register(collector, with: agent).exitCode == 0 })
            #expect(try agent.isActive("c9") && !agent.command(["status"]).output.contains("c1 "))
        }
    }

    @Test func `c1 can be unregistered after it left the configuration, and its process becomes c9 with its session`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let (agent, collector, router) = try Self.rename(in: sandbox)
            let unregistered = try agent.command(["unregister", "--collector", "c1"])
            #expect(unregistered.exitCode == 0, "\(unregistered)")
            #expect(try Self.register(collector, with: agent).exitCode == 0)
            #expect(try agent.isActive("c9") && !agent.command(["status"]).output.contains("c1 "))
            _ = try agent.command(["drain", "--collector", "c9"])
            #expect(try agent.command(["status", "--json"]).output.contains("\"sessions\":1"))
            #expect(try agent.command(["unregister", "--collector", "c1"]).exitCode == 5)
            _ = router
        }
    }

    @Test func `a restarted collector is registered under its new name at once`() async throws {
        try await Sandbox.run { sandbox in
            let (agent, collector, router) = try Self.rename(in: sandbox)
            collector.kill()
            try collector.process.wait()
            let next = try CountedCollector("c9", in: sandbox)
            try next.register(with: agent)
            #expect(try agent.isActive("c9"))
            _ = router
        }
    }
}
