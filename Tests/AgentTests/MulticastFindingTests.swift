import PoolModel
import TelemetryLab
import TestSupport
import Testing

/// The finding `multicast_joined`. The agent is a process of its own here: it reads the host's groups in /proc, and
/// the threads of kernel tests aren't in their sandbox's /proc.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct MulticastFindingTests {
    private static func check(_ agent: AgentFixture) throws -> [Substring] {
        try agent.command(["check", "--live"]).output.split(separator: "\n")
            .filter { $0.contains("group ipfix: multicast: ") }
    }

    private static func registration(_ address: IPAddress, _ group: IPAddress, _ sandbox: Sandbox) throws {
        let agent = try AgentFixture(
            in: sandbox, program: AgentUnderTest.program,
            configuration: AgentFixture.configuration(collectors: ["c1", "c2"], address: "\(address)"))
        let collectors = try ["c1", "c2"].map { try CollectorSockets($0, address: address) }
        try collectors[0].udp.join(group, interface: 1)
        // The interface has the group now; c2 didn't join it.
        #expect(try collectors[1].register(with: agent).exitCode == 0)
        let well: Substring =
            "✓ group ipfix: multicast: no collector had joined a multicast group when it registered"
        #expect(try check(agent) == [well])
        #expect(try collectors[0].register(with: agent).exitCode == 0)
        let found = try check(agent)
        #expect(found.count == 1)
        #expect(found[0].hasPrefix("✗ group ipfix: multicast: collector c1 joined the multicast group \(group): "))
        let status = try agent.get("/status").body
        #expect(status.contains("\"level\":\"problem\",\"name\":\"multicast_joined\""), "\(status)")
        #expect(try agent.command(["unregister", "--collector", "c1"]).exitCode == 0)
        #expect(try check(agent) == [well])
        #expect(agent.process.errorOutput.contains("multicast_joined is over: "))
    }

    @Test(arguments: [("0.0.0.0", "239.1.1.1"), ("::", "239.1.1.1"), ("::", "ff15::6")])
    func `a collector that joined a multicast group is reported while it is registered, and no other one`(
        address: String, group: String
    ) async throws {
        try await Sandbox.run { sandbox in
            try Self.registration(IPAddress(address)!, IPAddress(group)!, sandbox)
        }
    }

    private static func renewal(_ sandbox: Sandbox) throws {
        let group = IPAddress("239.1.1.1")!
        let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
        let collectors = try agent.registerFour()
        try collectors[2].udp.join(group, interface: 1)
        #expect(try check(agent).allSatisfy { $0.hasPrefix("✓ ") })
        #expect(try collectors[2].register(with: agent).exitCode == 0)
        let found = try check(agent)
        #expect(found.contains { $0.contains("collector c3 joined the multicast group 239.1.1.1: ") })
    }

    @Test func `a group that a collector joins after its registration is found when it registers again`() async throws {
        try await Sandbox.run { sandbox in try Self.renewal(sandbox) }
    }
}
