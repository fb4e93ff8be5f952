import Glibc
import PoolModel
import TelemetryLab
import Testing
import TestSupport

/// How drain, replace, register and unregister behave for operators.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct OperatorTests {
    private static func agent(in sandbox: Sandbox, _ collectors: [String], hold: String = "10s") throws -> AgentFixture
    {
        try AgentFixture(
            in: sandbox, program: AgentUnderTest.program,
            configuration: AgentFixture.configuration(collectors: collectors, hold: hold))
    }

    /// Clock ticks of 10 ms that the process has taken.
    private static func ticks(of pid: Int32) -> Int {
        let text = FileText.read("/proc/\(pid)/stat") ?? ""
        let fields = text[(text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ")
        return fields.count > 13 ? (Int(fields[12]) ?? 0) + (Int(fields[13]) ?? 0) : 0
    }

    @Test func `drain --wait of the only collector is exit 5 with cause and remedy, and costs no CPU`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try Self.agent(in: sandbox, ["c1", "c2"], hold: "100ms")
            let collectors = try ["c1", "c2"].map { try CollectorSockets($0) }
            for collector in collectors { #expect(try collector.register(with: agent).exitCode == 0) }
            #expect(try agent.command(["unregister", "--collector", "c2"]).exitCode == 0)
            let begun = try agent.command(["drain", "--collector", "c1"])
            #expect(begun.exitCode == 0 && begun.output == "c1 is draining\n", "\(begun)")
            #expect(begun.errorOutput.contains("no other collector can take its exporters: register one"), "\(begun)")
            let drained = try agent.command(["drain", "--collector", "c1", "--wait", "--timeout", "0.5"])
            #expect(drained.exitCode == 5 && drained.output.isEmpty)
            #expect(
                drained.errorOutput.contains(
                    "cannot empty c1: after 0.5 s it still has exporters in 65536 table rows; it continues to drain")
                    && drained.errorOutput.contains("no other collector can take its exporters: register one"),
                "\(drained)")
            let source = IPAddress("10.0.0.1")!
            #expect(try source.meeting(at: collectors) == "c1")
            let explained = try agent.command(["explain", "10.0.0.1"]).output
            #expect(explained.contains("c1, which keeps it while no other can take it"), "\(explained)")
            // All rows wait; it took 98 % of a core.
            #expect(waitUntil(.seconds(30)) { agent.process.isAtRest })
            let (ticks, turns) = (Self.ticks(of: agent.process.pid), LeakTests.switches(of: agent.process.pid))
            usleep(1_000_000)
            #expect(Self.ticks(of: agent.process.pid) - ticks < 20)
            let wakeups = LeakTests.switches(of: agent.process.pid) - turns
            #expect(wakeups < 50, "in 1 s")
            #expect(waitUntil(.seconds(30)) { agent.process.isAtRest })
            #expect(try agent.command(["undrain", "--collector", "c1"]).exitCode == 0)
        }
    }

    @Test func `drain --wait that times out is exit 5; a collector that is down still shows as draining`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try Self.agent(in: sandbox, ["c1"])
            let collector = try CountedCollector("c1", in: sandbox)
            try collector.register(with: agent)
            let router = try InternetSocket(.tcp, bind: IPAddress("10.0.0.1")!)
            try router.connect(.v4(0x7f00_0001), 1_790)
            let drained = try agent.command(["drain", "--collector", "c1", "--wait", "--timeout", "0.5"])
            #expect(
                drained.exitCode == 5
                    && drained.errorOutput.contains("it still has 1 BMP session (10.0.0.1:")
                    && drained.errorOutput.contains(" in group bmp, silent for "), "\(drained)")
            #expect(drained.errorOutput.contains("to stop draining, run: reuseport-agent undrain --collector c1"))
            collector.kill()
            try collector.process.wait()
            #expect(
                waitUntil(.seconds(5)) {
                    (try? agent.command(["status"]).output.contains("holding, draining")) ?? false
                })
            #expect(try agent.command(["status", "--json"]).output.contains("\"drain\""))
            let away = try agent.command(["unregister", "--collector", "c1"])
            #expect(away.output.contains("c1 is unregistered"), "its hold is over by that: \(away)")
            #expect(try agent.command(["unregister", "--collector", "c1"]).output.contains("was already unregistered"))
            _ = router
        }
    }

    /// `register --fd` notes no session that the collector accepted before; the drain waits for them all the same.
    @Test func `a drain with sessions older than the agent counts and names them, and asks for no collector`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let collectors = try ["c1", "c2"].map { try CollectorSockets($0) }
            let sources = (1...5).map { IPAddress.v4(0x0a00_0000 + $0) }
            let routers = try sources.map { source in
                let router = try InternetSocket(.tcp, bind: source)
                try router.connect(.v4(0x7f00_0001), 1_790)
                return router
            }
            let sessions = collectors.flatMap { $0.tcp.acceptSessions() }
            #expect(sessions.count == 5 && routers.count == 5)
            let agent = try Self.agent(in: sandbox, ["c1", "c2"])
            for collector in collectors { #expect(try collector.register(with: agent).exitCode == 0) }
            let own = try agent.owners(of: sources).count { $0 == "c1" }
            let begun = try agent.command(["drain", "--collector", "c1"])
            #expect(begun.output == "c1 is draining\n" && begun.errorOutput.isEmpty, "\(begun)")
            try #require(own > 0, "with the default seed and these addresses")
            let drained = try agent.command(["drain", "--collector", "c1", "--wait", "--timeout", "0.5"])
            #expect(drained.exitCode == 5, "\(drained)")
            #expect(drained.errorOutput.contains("it still has \(own) BMP session"), "\(drained)")
            #expect(drained.errorOutput.contains("exporters leave when their sessions end"), "\(drained)")
            #expect(!drained.errorOutput.contains("register one"), "\(drained)")
        }
    }

    @Test func `replace followed by replace --terminate sends the old process SIGTERM`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try Self.agent(in: sandbox, ["c1"])
            let old = try CountedCollector("c1", in: sandbox)
            try old.register(with: agent)
            let new = try CountedCollector("new", in: sandbox)
            try new.waitUntilBound()
            let arguments = ["replace", "--collector", "c1", "--pid", "\(new.pid)"]
            let first = try agent.command(arguments)
            #expect(first.exitCode == 0 && first.output.contains("can be ended"), "\(first)")
            #expect(old.process.exitCode == nil)
            // The audit recognizes its sockets.
            let check = try agent.command(["check", "--live"])
            #expect(!check.output.contains("stranger_in_group"), "\(check)")
            let second = try agent.command(arguments + ["--terminate"])
            #expect(second.exitCode == 0 && second.output.contains("got SIGTERM"), "\(second)")
            #expect(waitUntil(.seconds(5)) { old.process.exitCode != nil })
            #expect(new.process.exitCode == nil)
        }
    }

    @Test func `the agent's own pid is refused as a collector's with exit 4`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try Self.agent(in: sandbox, ["c1", "c2"])
            let collector = try CollectorSockets("c1")
            #expect(try collector.register(with: agent).exitCode == 0)
            let maps = try PinnedMaps.read()
            for command in ["register", "replace"] {
                let result = try agent.command([command, "--collector", "c2", "--pid", "\(agent.process.pid)"])
                #expect(result.exitCode == 4, "\(result)")
                #expect(result.errorOutput.contains("is the agent's own socket, which keeps the group"), "\(result)")
            }
            #expect(try PinnedMaps.read() == maps)
        }
    }
}
