import PoolModel
import TelemetryLab
import Testing
import TestSupport

@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct LeakTests {
    @Test func `10,000 registrations, 3 in 10 refused, leak no descriptor or map entry, and memory stays within 2 MiB`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(collectors: ["c1", "c2", "c3"], extra: "table_size: 256"))
            let round = try RegistrationRound(in: sandbox)
            for _ in 0..<1_000 / RegistrationRound.registrations { try round.run() }
            let before = try AgentFootprint.atRest(agent)
            for _ in 0..<10_000 / RegistrationRound.registrations { try round.run() }
            let after = try AgentFootprint.atRest(agent)
            #expect(after.descriptors == before.descriptors)
            #expect(after.sockets == before.sockets && after.sessions == before.sessions)
            #expect(after.residentKiB - before.residentKiB < 2_048, "from \(before) to \(after)")
            #expect(after.sockets == 0 && after.sessions == 1)
        }
    }

    @Test func `12,000 short sessions don't wake the agent for each, and their entries disappear`() async throws {
        try await Sandbox.run(.unhurried) { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(collectors: ["c1"]))
            let listener = try InternetSocket.collector(.tcp, .v4(0), port: 1_790)
            let socket = try InternetSocket.collector(.udp, .v4(0), port: 4_739)
            defer { withExtendedLifetime((socket, listener)) {} }
            let registered = try agent.command(
                ["register", "--collector", "c1", "--fd", "10", "--fd", "11"],
                descriptors: [10: socket.number, 11: listener.number])
            #expect(registered.exitCode == 0, "\(registered.errorOutput)")
            let source = IPAddress.v4(0x0a00_0001)
            let living = try InternetSocket(.tcp, bind: source, port: 9_999)
            try living.connect(.v4(0x7f00_0001), 1_790)
            let accepted = listener.acceptSessions()
            let turns = { Self.switches(of: agent.process.pid) }
            let before = turns()
            for number in 0..<12_000 {
                let router = try InternetSocket(.tcp, bind: source, port: UInt16(10_000 + number))
                try router.connect(.v4(0x7f00_0001), 1_790)
                #expect(listener.acceptSessions().count == 1)
                router.endByReset()
            }
            #expect(turns() - before < 3_000, "voluntary context switches: \(turns() - before)")
            let isSwept = waitUntil(.seconds(10)) { (try? PinnedMaps.sessionCount()) ?? .max < 8_192 }
            let ports = try PinnedMaps.sessionPorts()
            #expect(isSwept, "\(ports.count) entries")
            #expect(ports.contains(9_999), "the one that lives")
            #expect(accepted.count == 1)
        }
    }

    /// How often the process has waited.
    static func switches(of pid: Int32) -> Int {
        let lines = (FileText.read("/proc/\(pid)/status") ?? "").split(separator: "\n")
        let line = lines.first { $0.hasPrefix("voluntary_ctxt_switches") }
        return line?.split(separator: "\t").last.flatMap { Int($0) } ?? 0
    }
}
