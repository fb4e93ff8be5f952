import Glibc
import PoolModel
import TelemetryLab
import Testing
import TestSupport

/// Traffic that is dropped is an error in the log, a finding, and a failed check.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct OutageTests {
    private static func agent(in sandbox: Sandbox, hold: String = "10s") throws -> AgentFixture {
        try AgentFixture(
            in: sandbox, program: AgentUnderTest.program,
            configuration: AgentFixture.configuration(hold: hold, extra: StatusClient.Place.configuration))
    }

    /// Lines of the log of level error.
    private static func errors(_ agent: AgentFixture) -> [Substring] {
        agent.process.errorOutput.split(separator: "\n").filter { $0.contains("\"level\":\"error\"") }
    }

    @Test func `when all collectors are gone and their holds over, each text says so, and each check fails`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try Self.agent(in: sandbox, hold: "2s")
            let collectors = try CountedCollector.four(in: sandbox, with: agent)
            #expect(try agent.command(["status", "--check"]).output == "no traffic is dropped now\n")
            for collector in collectors { collector.kill() }
            let words = "collectors: none is usable: the traffic of all groups is dropped"
            #expect(waitUntil(.seconds(20)) { Self.errors(agent).contains { $0.contains(words) } })
            let isOver = waitUntil(.seconds(20)) {
                (try? agent.command(["status", "--json"]).output.contains("\"state\":\"holding\"")) == false
            }
            #expect(isOver)

            let status = try agent.command(["status"]).output
            #expect(status.contains("\n✗ no_collector: \(words)"), "\(status)")
            #expect(
                status.contains(
                    "c1 is failed: no other collector can take its exporters, and their traffic is dropped; "),
                "\(status)")
            let check = try agent.command(["status", "--check"])
            #expect(check.exitCode == 1)
            #expect(check.output == "no collector is usable: the traffic of all groups is dropped\n")
            let json = try agent.command(["status", "--check", "--json"])
            #expect(json.exitCode == 1 && json.output.contains("\"losses_now\":[\"no collector is usable: "))
            let live = try agent.command(["check", "--live"])
            #expect(live.exitCode == 5 && live.output.contains("✗ collectors: none is usable"), "\(live.output)")
            let health = try StatusClient.get("/healthz")
            #expect(health.status == 503 && health.body.contains("\"no_collector: \(words)"), "\(health.body)")
            for text in [status, health.body, agent.process.errorOutput] {
                #expect(!text.contains("are at other collectors"), "\(text)")
            }
            #expect(try StatusClient.get("/readyz").status == 503)
            #expect(try StatusClient.get("/livez").status == 200)

            let returned = try CountedCollector("c2", in: sandbox)
            try returned.register(with: agent)
            #expect(waitUntil(.seconds(20)) { agent.process.errorOutput.contains("no_collector is over: ") })
            #expect(try agent.command(["status", "--check"]).exitCode == 0)
            #expect(try agent.command(["check", "--live"]).exitCode == 0)
            #expect(try StatusClient.get("/readyz").status == 200)
            #expect(Self.errors(agent).count == 1, "\(Self.errors(agent))")
        }
    }

    @Test func `during a hold status --check is exit 1 with a line for each held collector`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try Self.agent(in: sandbox, hold: "600s")
            var collectors = try agent.registerFour()
            collectors.removeLast(2)
            let isHeld = waitUntil(.seconds(20)) {
                (try? agent.command(["status", "--check"]).output.split(separator: "\n").count) == 2
            }
            #expect(isHeld)
            let check = try agent.command(["status", "--check"])
            #expect(check.exitCode == 1)
            for (line, name) in zip(check.output.split(separator: "\n"), ["c3", "c4"]) {
                #expect(line.hasPrefix("collector \(name) is absent: its exporters' traffic is dropped for up to "))
            }
            #expect(try agent.command(["check", "--live"]).exitCode == 0, "the hold is intended")
            #expect(try agent.command(["status", "--check", "--watch"]).exitCode == 2)
            _ = collectors
        }
    }

    @Test func `a failed reload is an error in the log and a finding everywhere until a reload succeeds`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try Self.agent(in: sandbox)
            let collectors = try agent.registerFour()
            try FileText.write("pool: [", to: agent.configurationPath)
            #expect(try agent.command(["reload"]).exitCode == 2)
            let errors = Self.errors(agent)
            #expect(errors.count == 1 && errors[0].contains("is not YAML"), "\(errors)")
            let words = "reload_failed: configuration: the last reload failed, and the configuration before it stays"
            #expect(try agent.command(["status"]).output.contains("\n✗ \(words)"))
            let live = try agent.command(["check", "--live"])
            #expect(live.exitCode == 5 && live.output.contains("✗ reload: the last reload failed"), "\(live.output)")
            let health = try StatusClient.get("/healthz")
            #expect(health.status == 503 && health.body.contains("\"\(words)"), "\(health.body)")
            let metric = "reuseport_agent_audit_findings{pool=\"edge\",name=\"reload_failed\",level=\"problem\"}"
            #expect(try StatusClient.get("/metrics").body.contains("\(metric) 1"))
            #expect(try agent.command(["status", "--check"]).exitCode == 0, "traffic is delivered")
            #expect(try StatusClient.get("/readyz").status == 200)
            // SIGHUP with a file that is wrong in another way ends nothing.
            try FileText.write(
                AgentFixture.configuration(extra: StatusClient.Place.configuration + "\nseed: other"),
                to: agent.configurationPath)
            agent.process.send(SIGHUP)
            #expect(waitUntil(.seconds(20)) { Self.errors(agent).count == 2 })
            #expect(try StatusClient.get("/healthz").body.contains("another seed"))
            try FileText.write(
                AgentFixture.configuration(extra: StatusClient.Place.configuration), to: agent.configurationPath)
            agent.process.send(SIGHUP)
            #expect(waitUntil(.seconds(20)) { agent.process.errorOutput.contains("reload_failed is over: ") })
            #expect(agent.process.errorOutput.ranges(of: "reload_failed is over: ").count == 1)
            #expect(try agent.command(["check", "--live"]).exitCode == 0)
            #expect(try StatusClient.get("/healthz").status == 200)
            #expect(try StatusClient.get("/metrics").body.contains("\(metric) 0"))
            _ = collectors
        }
    }

    @Test func `a reload that adds a running port loses none of its traffic, and says that the group takes none yet`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try Self.agent(in: sandbox)
            let collectors = try agent.registerFour()
            let running = try InternetSocket.collector(.udp, .v4(0), port: 2_055)
            let netflow = "  - {name: netflow, protocol: udp, address: 0.0.0.0, port: 2055}\nrestart_hold"
            let text = AgentFixture.configuration(extra: StatusClient.Place.configuration)
            try FileText.write(text.replacing("restart_hold", with: netflow), to: agent.configurationPath)
            let note = "groups added: netflow; a new group takes no traffic from sockets that are bound there until"
            #expect(try agent.command(["plan"]).output.contains(note))
            let reloaded = try agent.command(["reload"])
            #expect(reloaded.exitCode == 0 && reloaded.output.contains(note), "\(reloaded)")
            for source in 0..<UInt32(200) {
                try InternetSocket(.udp, bind: .v4(0x0a00_0001 + source)).send([1], to: .v4(0x7f00_0001), 2_055)
            }
            #expect(running.receiveWaiting().count == 200)
            let words =
                "group_not_joined: group netflow (udp 0.0.0.0:2055): no collector has registered a socket in it yet"
            #expect(
                waitUntil(.seconds(30)) { (try? agent.command(["status"]).output.contains("\n✗ \(words)")) ?? false })
            let live = try agent.command(["check", "--live"])
            #expect(
                live.exitCode == 5 && live.output.contains("✗ group netflow: collectors: no collector has"), "\(live)")
            #expect(try agent.get("/healthz").status == 503)
            #expect(try agent.command(["status", "--check"]).exitCode == 0)
            let readiness = try StatusClient.get("/readyz")
            #expect(readiness.status == 503 && readiness.body.contains("group netflow has no usable collector"))
            #expect(Self.errors(agent).count == 1 && Self.errors(agent)[0].contains(words.dropFirst(18)))
            let sockets = [collectors[0].udp.number, collectors[0].tcp.number, running.number]
            #expect(try agent.register("c1", sockets).exitCode == 0)
            #expect(waitUntil(.seconds(20)) { agent.process.errorOutput.contains("group_not_joined is over: ") })
            #expect(try StatusClient.get("/readyz").status == 200)
        }
    }

    @Test func `a group whose only collector is gone is an error, while the others deliver`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try Self.agent(in: sandbox, hold: "0s")
            let collectors = try agent.registerFour()
            let netflow = "  - {name: netflow, protocol: udp, address: 0.0.0.0, port: 2055}\nrestart_hold"
            let text = AgentFixture.configuration(hold: "0s", extra: StatusClient.Place.configuration)
            try FileText.write(text.replacing("restart_hold", with: netflow), to: agent.configurationPath)
            // Bound before the reload: the program comes with the registration.
            var socket: InternetSocket? = try InternetSocket.collector(.udp, .v4(0), port: 2_055)
            #expect(try agent.command(["reload"]).exitCode == 0)
            let sockets = [collectors[0].udp.number, collectors[0].tcp.number, socket!.number]
            #expect(try agent.register("c1", sockets).exitCode == 0)
            #expect(try agent.command(["status", "--check"]).exitCode == 0)
            #expect(Self.errors(agent).allSatisfy { $0.contains("no collector has registered a socket in it yet") })
            withExtendedLifetime(socket) {}
            socket = nil
            let words = "group netflow (udp 0.0.0.0:2055): no usable collector has a socket in it"
            #expect(waitUntil(.seconds(20)) { Self.errors(agent).contains { $0.contains(words) } })
            let check = try agent.command(["status", "--check"])
            #expect(check.exitCode == 1 && check.output == "\(words): its traffic is dropped\n")
            #expect(try agent.command(["check", "--live"]).exitCode == 5)
            #expect(try agent.command(["status"]).output.contains("\n✗ group_without_collector: \(words)"))
        }
    }

    @Test func `/livez is 200 from the start, /readyz when each group has a usable collector; both answer HEAD`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try Self.agent(in: sandbox)
            func head(_ path: String) throws -> StatusClient.Answer {
                let client = try StatusClient(.tcp)
                client.ask(path, method: "HEAD")
                return try client.answer()
            }
            let well = "{\"ok\":true,\"reasons\":[]}\n"
            let unready = try StatusClient.get("/readyz", over: .tcp)
            #expect(unready.status == 503 && unready.body.contains("group ipfix has no usable collector; register a"))
            #expect(unready.body.contains("group bmp has no usable collector; "))
            #expect(try StatusClient.get("/livez", over: .tcp).body == well)
            let unreadyHead = try head("/readyz")
            #expect(unreadyHead.status == 503 && unreadyHead.body.isEmpty)
            #expect(try head("/livez").status == 200)
            var collectors = try agent.registerFour()
            #expect(try StatusClient.get("/readyz").body == well)
            collectors.removeLast(3)
            #expect(waitUntil(.seconds(20)) { (try? StatusClient.get("/healthz").status) == 503 })
            #expect(try StatusClient.get("/readyz").status == 200, "c1 is usable in both groups")
            #expect(try StatusClient.get("/readyz?verbose=1").status == 400)
        }
    }
}
