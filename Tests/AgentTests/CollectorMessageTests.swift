import Glibc
import SockArrayCore
import TelemetryLab
import Testing
import TestSupport

/// The agent's log for a collector that goes down and returns.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct CollectorMessageTests {
    @Test func `kill -9 of each of 4 collectors in turn is logged as an end with its pid, 1 failover and 1 return`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, configuration: AgentFixture.configuration(hold: "500ms"))
            // The agent waits 100 ms for the end of a process whose socket was closed. The priority
            // lets a killed process end in time on a busy machine.
            func start(_ name: String) throws -> CountedCollector {
                let collector = try CountedCollector(name, in: sandbox, launcher: ["nice", "-n", "-20"])
                try collector.register(with: agent)
                return collector
            }
            var collectors = try ["c1", "c2", "c3", "c4"].map(start)
            func count(_ text: String) -> Int { agent.process.errorOutput.ranges(of: text).count }
            for (index, name) in ["c1", "c2", "c3", "c4"].enumerated() {
                let killed = collectors[index].pid
                collectors[index].kill()
                #expect(waitUntil(.seconds(20)) { count("\"collector \(name) did not come back in time: ") == 1 })
                let end =
                    "\"collector \(name) has ended (process \(killed)): its exporters' traffic is dropped for up to 0.5 s\""
                #expect(count(end) == 1, "\(agent.process.errorOutput)")
                collectors[index] = try start(name)
                #expect(waitUntil(.seconds(20)) { count("\"collector \(name) is back after ") == 1 })
            }
            #expect(count("has lost") == 0, "\(agent.process.errorOutput)")
            #expect(count(" of 65536 table rows) until it registers; start it again by: ") == 4)
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

    @Test func `a closed socket is a loss, not an end; unregister logs a notice with the way back`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, configuration: AgentFixture.configuration(hold: "10s"))
            let udp = try ["c1", "c4"].map { _ in try InternetSocket.collector(.udp, .v4(0), port: 4_739) }
            var tcp = try ["c1", "c4"].map { _ in try InternetSocket.collector(.tcp, .v4(0), port: 1_790) }
            for (index, name) in ["c1", "c4"].enumerated() {
                #expect(try agent.register(name, [udp[index].number, tcp[index].number]).exitCode == 0)
            }
            tcp.removeLast()
            #expect(waitUntil(.seconds(20)) { agent.process.errorOutput.contains("collector c4 has lost tcp 0.0.0.0") })
            #expect(!agent.process.errorOutput.contains("has ended"))
            #expect(try agent.command(["unregister", "--collector", "c1"]).exitCode == 0)
            // c4 is held, and the others never came.
            let text =
                "collector c1 is gone, without a hold: no other collector can take its exporters, and their traffic is "
                + "dropped ("
            #expect(waitUntil(.seconds(20)) { agent.process.errorOutput.contains(text) })
            let line = agent.process.errorOutput.split(separator: "\n").first { $0.contains(text) } ?? ""
            #expect(line.contains("\"level\":\"notice\"") && line.contains("register --collector c1"), "\(line)")
            tcp.removeAll()
        }
    }

    @Test func `in round-robin no message says that traffic waits for a killed collector or one that never came`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(
                    hold: "20s", extra: "assignment: round-robin\n" + StatusClient.Place.configuration))
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
            let missed = "\"collector c4 never registered: its turns go to the others; start it by: "
            #expect(waitUntil(.seconds(20)) { log().contains(missed) }, "\(log())")
            // The holds are over. The reload makes the agent notice, as its own clock would.
            try PinnedMaps.letPass(.seconds(21), pool: "edge")
            #expect(try agent.command(["reload"]).exitCode == 0)
            for text in [
                "\"collector c4 did not register in time: its turns go to the others until it registers; ",
                "\"collector c3 did not come back in time: its turns go to the others until it registers; ",
            ] {
                #expect(waitUntil(.seconds(20)) { log().contains(text) }, "\(text)\n\(log())")
            }
            let status = try agent.command(["status"])
            let reader = try EventReader(target: "/events?after=0")
            #expect(reader.waits(for: [.registered, .lost, .held, .failedOver], of: "c3"))
            let events = try reader.events().map(\.text).joined(separator: "\n")
            for text in [log(), held, status.output, try StatusClient.get("/healthz").body, events] {
                #expect(!text.contains("are held") && !text.contains("is dropped"), "\(text)")
            }
            #expect(try agent.command(["status", "--json"]).output.contains("its turns go to the others"))
        }
    }

    @Test func `a collector's end is logged once although a child has its sockets and no file can be opened`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, configuration: AgentFixture.configuration(hold: "500ms"))
            func setLimit(_ limit: Int) throws {
                let command = ["prlimit", "--pid", "\(agent.process.pid)", "--nofile=\(limit):1024"]
                try ChildProcess(command, in: sandbox).wait()
            }
            func log() -> String { agent.process.errorOutput }
            let collector = try {
                let sockets = try CollectorSockets("c1")
                return try ChildProcess(
                    ["sh", "-c", "sleep 6001 & exec sleep 6002"], in: sandbox,
                    descriptors: [5: sockets.udp.number, 6: sockets.tcp.number])
            }()
            #expect(waitUntil(.seconds(20)) { !ProcessFacts.descendants(of: collector.pid).isEmpty })
            let result = try agent.command(["register", "--collector", "c1", "--pid", "\(collector.pid)"])
            #expect(result.exitCode == 0, "\(result.errorOutput)")
            // poll(2) continues with open descriptors. No more can be opened: the child's sockets can't be listed.
            let free = (0..<20).map { _ in
                usleep(20_000)
                let open = Set(FileText.names(in: "/proc/\(agent.process.pid)/fd"))
                return (0...).first { !open.contains("\($0)") } ?? 0
            }
            try setLimit(free.min() ?? 0)
            collector.send(SIGKILL)
            try collector.wait()
            let complaint = "cannot watch the collectors: the limit of open files is too low (EMFILE)"
            #expect(waitUntil(.seconds(20)) { log().contains(complaint) }, "\(log())")
            try setLimit(1_024)
            #expect(
                waitUntil(.seconds(20)) {
                    log().contains("\"collector c1 has ended (process ")
                        && log().contains("\"collector c1 did not come back in time: ")
                }, "\(log())")
            #expect(log().ranges(of: "\"collector c1 has ").count == 1, "\(log())")
        }
    }
}
