import SockArrayCore
import TelemetryLab
import Testing

@Suite(.serialized, .enabled(if: Subject.hasPrivilege, "needs root")) struct LeakTests {
    @Test func `10,000 registrations, 3 in 10 refused: no descriptor, no map entry more, memory within 2 MiB`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: Subject.program,
                configuration: AgentFixture.configuration(collectors: ["c1", "c2", "c3"], extra: "table_size: 256"))
            let round = try RegistrationRound(in: sandbox)
            for _ in 0..<1_000 / RegistrationRound.registrations { try round.run() }
            let before = try Self.rest(agent)
            for _ in 0..<10_000 / RegistrationRound.registrations { try round.run() }
            let after = try Self.rest(agent)
            #expect(after.descriptors == before.descriptors)
            #expect(after.sockets == before.sockets && after.sessions == before.sessions)
            #expect(after.residentKiB - before.residentKiB < 2_048, "from \(before) to \(after)")
            #expect(after.sockets == 0 && after.sessions == 1)
        }
    }

    /// When what has ended is known.
    private static func rest(_ agent: AgentFixture) throws -> AgentFootprint {
        var footprint = try AgentFootprint(of: agent)
        waitUntil(.seconds(2)) {
            let last = footprint.descriptors
            guard let now = try? AgentFootprint(of: agent) else { return true }
            footprint = now
            return now.descriptors == last
        }
        return footprint
    }
}
