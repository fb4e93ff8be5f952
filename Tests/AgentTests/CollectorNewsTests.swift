import Glibc
import SockArrayCore
import TelemetryLab
import Testing

/// What the agent's log says of a collector that goes and comes back.
@Suite(.serialized, .enabled(if: Subject.hasPrivilege, "needs root")) struct CollectorNewsTests {
    @Test func `kill -9 of each of 4, one after the other: told as an end with its pid, 1 failover and 1 return each`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: Subject.program, configuration: AgentFixture.configuration(hold: "500ms"))
            var collectors = try CountedCollector.four(in: sandbox, with: agent)
            func count(_ text: String) -> Int { agent.process.errorOutput.ranges(of: text).count }
            for (index, name) in ["c1", "c2", "c3", "c4"].enumerated() {
                let killed = collectors[index].pid
                collectors[index].kill()
                #expect(waitUntil(.seconds(20)) { count("\"collector \(name) did not come back in time: ") == 1 })
                let end =
                    "\"collector \(name) has ended (process \(killed)): its exporters wait for it for 0.5 seconds\""
                #expect(count(end) == 1, "\(agent.process.errorOutput)")
                collectors[index] = try CountedCollector(name, in: sandbox)
                try collectors[index].register(with: agent)
                #expect(waitUntil(.seconds(20)) { count("\"collector \(name) is back after ") == 1 })
            }
            #expect(count("has lost") == 0, "\(agent.process.errorOutput)")
            #expect(count(" of 65536 rows) until it registers; start it again by: ") == 4)
            #expect(count(": its exporters return (") == 4)
        }
    }

    @Test func `one of two sockets is closed: lost, not ended; unregistered: a notice with what brings it back`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: Subject.program, configuration: AgentFixture.configuration(hold: "10s"))
            let udp = try ["c1", "c4"].map { _ in try InternetSocket.collector(.udp, .v4(0), port: 4_739) }
            var tcp = try ["c1", "c4"].map { _ in try InternetSocket.collector(.tcp, .v4(0), port: 1_790) }
            for (index, name) in ["c1", "c4"].enumerated() {
                #expect(try agent.register(name, [udp[index].number, tcp[index].number]).exitCode == 0)
            }
            tcp.removeLast()
            #expect(waitUntil(.seconds(20)) { agent.process.errorOutput.contains("collector c4 has lost tcp 0.0.0.0") })
            #expect(!agent.process.errorOutput.contains("has ended"))
            #expect(try agent.command(["unregister", "--collector", "c1"]).exitCode == 0)
            let text = "collector c1 is not waited for: its exporters are at their next ranks ("
            #expect(waitUntil(.seconds(20)) { agent.process.errorOutput.contains(text) })
            let line = agent.process.errorOutput.split(separator: "\n").first { $0.contains(text) } ?? ""
            #expect(line.contains("\"level\":\"notice\"") && line.contains("register --collector c1"), "\(line)")
            tcp.removeAll()
        }
    }
}
