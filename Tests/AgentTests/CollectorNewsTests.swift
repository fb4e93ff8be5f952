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
            // journalctl COLLECTOR=c1 shows the whole life. (Its second registration reads as its first: it is summed.)
            for name in ["c1", "c2", "c3", "c4"] {
                let own = agent.process.errorOutput.split(separator: "\n").filter {
                    $0.contains("\"message\":\"collector \(name) ")
                }
                for words in [" is registered: ", " has ended (", " did not come back ", " is back after "] {
                    #expect(own.contains { $0.contains(words) }, "\(own)")
                }
                #expect(own.allSatisfy { $0.contains("\"collector\":\"\(name)\"") }, "\(own)")
            }
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

    @Test func `round-robin, 1 of 4 is killed and 1 never came: log, events, status and health say that nothing waits`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: Subject.program,
                configuration: AgentFixture.configuration(
                    hold: "2s", extra: "assignment: round-robin\n" + StatusClient.Place.configuration))
            let collectors = try (1...3).map { try CountedCollector("c\($0)", in: sandbox) }
            for collector in collectors { try collector.register(with: agent) }
            // Every slot has its turn: c4's is found vacant.
            let exporter = try InternetSocket(.udp, bind: .v4(0x0a00_0001))
            for _ in 0..<40 { try exporter.send([1], to: .v4(0x7f00_0001), 4_739) }
            collectors[2].kill()
            func log() -> String { agent.process.errorOutput }
            let end = "\"collector c3 has ended (process \(collectors[2].pid)): its turns go to the others\""
            #expect(waitUntil(.seconds(20)) { log().contains(end) }, "\(log())")
            let held = try StatusClient.get("/healthz").body
            #expect(held.contains("collector c3 is ") && held.contains(": its turns go to the others; start it again"))
            for text in [
                "\"collector c4 never registered: its turns go to the others; start it by: ",
                "\"collector c4 never registered and is not waited for: its turns go to the others until it registers; ",
                "\"collector c3 did not come back in time: its turns go to the others until it registers; ",
            ] {
                #expect(waitUntil(.seconds(20)) { log().contains(text) }, "\(text)\n\(log())")
            }
            let status = try agent.command(["status"])
            let reader = try EventReader(target: "/events?after=0")
            #expect(reader.waits(for: [.registered, .lost, .held, .failedOver], of: "c3"))
            let events = try reader.events().map(\.text).joined(separator: "\n")
            for text in [log(), held, status.output, try StatusClient.get("/healthz").body, events] {
                #expect(!text.contains("wait for it") && !text.contains("is dropped"), "\(text)")
            }
            #expect(try agent.command(["status", "--json"]).output.contains("its turns go to the others"))
        }
    }

    @Test func `4 are killed, each at another limit of open files: each end is told once, with its failover`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: Subject.program, configuration: AgentFixture.configuration(hold: "500ms"))
            let collectors = try CountedCollector.four(in: sandbox, with: agent)
            func setLimit(_ limit: Int) throws {
                let command = ["prlimit", "--pid", "\(agent.process.pid)", "--nofile=\(limit):1024"]
                try ChildProcess(command, in: sandbox).wait()
            }
            func log() -> String { agent.process.errorOutput }
            for (index, name) in ["c1", "c2", "c3", "c4"].enumerated() {
                let count = FileText.names(in: "/proc/\(agent.process.pid)/fd").count
                let complaints = log().ranges(of: "EMFILE").count
                try setLimit(count - 1 + index)
                collectors[index].kill()
                // Long enough for what fails, and fails again.
                _ = waitUntil(.seconds(2)) { log().ranges(of: "EMFILE").count > complaints }
                try setLimit(1_024)
                let failover = "\"collector \(name) did not come back in time: "
                let isTold = waitUntil(.seconds(20)) {
                    log().contains("\"collector \(name) has ") && log().contains(failover)
                }
                #expect(isTold, "\(name): \(log())")
                #expect(log().ranges(of: "\"collector \(name) has ").count == 1, "\(log())")
            }
            #expect(log().contains("EMFILE"), "no limit was too low: \(log())")
        }
    }
}
