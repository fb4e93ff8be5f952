import CBPFShim
import Glibc
import PoolModel
import SockArrayCore
import TelemetryLab
import Testing
import TestSupport

@testable import AgentCore

/// The agent finds faults by itself, logs them, and reports them when asked.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct LiveAuditTests {
    @Test func `check --live of a healthy pool has 20 good checks and exit 0`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let collectors = try agent.registerFour()
            let check = try agent.command(["check", "--live"])
            #expect(check.exitCode == 0, "\(check.errorOutput)")
            let lines = check.output.split(separator: "\n")
            #expect(lines.count { $0.hasPrefix("✓ ") } == 20, "\(check.output)")
            let others = lines.filter { !$0.hasPrefix("✓ ") }
            #expect(others == ["group ipfix", "group bmp", "pool", "all is well"])
            #expect(lines.contains("✓ group ipfix: program: the agent's program is attached"))
            #expect(lines.contains("✓ group bmp: members: 4, all of them registered, or new within 10 s"))
            #expect(lines.contains("✓ group bmp: collectors: 4 usable"))
            #expect(lines.contains("✓ collectors: 4 of 4 are usable"))
            #expect(try agent.command(["status", "--json"]).output.contains("\"findings\":[]"))
            let json = try agent.command(["check", "--live", "--json"]).output
            #expect(
                json.contains("{\"check\":\"sources\",\"detail\":\"no address sends nearly everything\",\"ok\":true}"))
            _ = collectors
        }
    }

    @Test(arguments: ["udp", "tcp"])
    func `a detached program is found within 5 s, attached again, listed, and logged once`(kind: String) async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let collectors = try agent.registerFour()
            #expect(try agent.command(["check", "--live"]).exitCode == 0)
            let member = kind == "udp" ? collectors[1].udp : collectors[1].tcp
            let group = kind == "udp" ? "ipfix (udp 0.0.0.0:4739)" : "bmp (tcp 0.0.0.0:1790)"
            #expect(rpa_detach_reuseport(member.number) == 0)
            let message = "group \(group): another program, or none, was attached in place of the agent's"
            #expect(waitUntil(.seconds(7)) { agent.process.errorOutput.contains(message) })
            let check = try agent.command(["check", "--live"])
            #expect(check.exitCode == 5)
            #expect(check.output.contains("✗ group \(group.prefix { $0 != " " }): program: another program, or none"))
            #expect(agent.process.errorOutput.components(of: message) == 1)
            let status = try agent.get("/status").body
            #expect(status.contains("\"level\":\"problem\",\"name\":\"program_replaced\""), "\(status)")
            #expect(try agent.command(["status"]).output.contains("\n✗ program_replaced: group \(group): another"))
            // Detached again while the finding is still listed: the same message within a minute is summarized.
            #expect(rpa_detach_reuseport(member.number) == 0)
            #expect(try agent.command(["check", "--live"]).exitCode == 5)
            #expect(agent.process.errorOutput.components(of: message) == 1)
            agent.process.send(SIGTERM)
            try agent.process.wait()
            #expect(agent.process.errorOutput.components(of: message) == 2)
            #expect(agent.process.errorOutput.contains(" (repeated once in "))
        }
    }

    @Test
    func `a datagram at a placeholder triggers an early audit, and 30 exporters return to their owners`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let collectors = try agent.registerFour()
            // The audit that check makes puts off the next one until 5 s after it.
            let start = WallClock.now
            #expect(try agent.command(["check", "--live"]).exitCode == 0)
            usleep(600_000)  // the placeholders are listened to again
            #expect(rpa_detach_reuseport(collectors[0].udp.number) == 0)
            let senders = try (0..<UInt32(30)).map { try InternetSocket(.udp, bind: .v4(0x0a05_0000 + $0)) }
            // The kernel's own choice: one of five members is the placeholder.
            let isFound = waitUntil(.seconds(30)) {
                for sender in senders { try? sender.send([1, 2, 3], to: .v4(0x7f00_0001), 4_739) }
                return agent.process.errorOutput.contains("another program, or none, was attached")
            }
            #expect(isFound)
            let line = try #require(
                agent.process.errorOutput.split(separator: "\n").first {
                    $0.contains("another program, or none, was attached")
                })
            // Both in UTC and with milliseconds: their order as text is that of the times.
            let due = LogTime(
                seconds: Int64(start) + 5, milliseconds: Int(start.truncatingRemainder(dividingBy: 1) * 1_000))
            #expect(line.contains("\"time\":\"") && Self.time(of: line) < due.utc, "\(line), due from \(due.utc) on")
            for collector in collectors { _ = collector.udp.receiveWaiting() }
            for _ in 0..<3 { for sender in senders { try sender.send([1], to: .v4(0x7f00_0001), 4_739) } }
            var places: [IPAddress: Set<String>] = [:]
            for collector in collectors {
                for (source, _) in collector.udp.receiveWaiting() { places[source, default: []].insert(collector.name) }
            }
            #expect(places.count == 30 && places.values.allSatisfy { $0.count == 1 })
        }
    }

    @Test func `an unregistered collector is reported after 10 s, and so is its end`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let collectors = try agent.registerFour()
            var stranger: InternetSocket? = try InternetSocket.collector(.udp, .v4(0), port: 4_739)
            #expect(try agent.command(["check", "--live"]).exitCode == 0, "it may be about to register")
            let message = "is in the group and not registered"
            #expect(waitUntil(.seconds(20)) { agent.process.errorOutput.contains(message) })
            let check = try agent.command(["check", "--live"])
            #expect(check.exitCode == 5)
            #expect(
                check.output.contains(
                    "    register its process or end it; to find it: ss -uanpe sport = :4739 | grep ino:"))
            withExtendedLifetime(stranger) {}
            stranger = nil
            #expect(try agent.command(["check", "--live"]).exitCode == 0)
            #expect(agent.process.errorOutput.contains("stranger_in_group is over"))
            _ = collectors
        }
    }

    @Test func `an agent without CAP_CHOWN reports that it has no placeholder and attaches by a collector's socket`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let (user, collectorUser): (UInt32, UInt32) = (64_000, 1_001)
            let unit = try UnitFile("reuseport-agent.service")
            chmod("/sys/fs/bpf", 0o700)
            mkdir("/run/reuseport-agent", 0o755)
            chown("/run/reuseport-agent", user, user)
            try unit.prepare(in: sandbox, user: user)
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(collectors: ["c1"]),
                launcher: UnitFile.launcher(
                    user: user, capabilities: unit.capabilities.filter { $0 != "CAP_CHOWN" }))
            let collector = try BuiltInCollector(
                "c1",
                command: UnitFile.launcher(user: collectorUser, capabilities: []) + [
                    AgentUnderTest.program, "demo-collector",
                ],
                in: sandbox)
            #expect(collector.waitUntilReady(.seconds(20)))
            let registered = try agent.command(["register", "--collector", "c1", "--pid", "\(collector.process.pid)"])
            #expect(registered.exitCode == 0, "\(registered.errorOutput)")
            let check = try agent.command(["check", "--live"])
            #expect(check.exitCode == 0, "a note alone: \(check.output)")
            #expect(
                check.output.contains(
                    "– group ipfix: agent's socket: the agent has no socket of its own in the group (EPERM)"))
            #expect(check.output.contains("    give the agent CAP_CHOWN, or run it as the collectors' user (uid 1001)"))
            let member = try sandbox.asUser(collectorUser) {
                try InternetSocket.collector(.udp, .v4(0), port: 4_739)
            }
            #expect(rpa_detach_reuseport(member.number) == 0)
            let found = try agent.command(["check", "--live"])
            #expect(found.output.contains("✗ group ipfix: program: another program, or none"), "\(found.output)")
            #expect(found.exitCode == 5)
        }
    }

    @Test func `check --live is exit 3 without an agent, and exit 2 beside --config or with --control alone`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let lines = [["--live"], ["--live", "--config", "/run/edge.yaml"], ["--control", "/run/control.sock"]]
            let codes = try lines.map {
                try CommandResult.of(AgentUnderTest.program, ["check"] + $0, in: sandbox).exitCode
            }
            #expect(codes == [3, 2, 2])
        }
    }

    /// Of a line of the log.
    private static func time(of line: Substring) -> String {
        guard let start = line.firstRange(of: "\"time\":\"")?.upperBound else { return "" }
        return String(line[start...].prefix { $0 != "\"" })
    }

    /// One audit in 5 s, over 20 s with 4 collectors.
    @Test
    func `the idle agent with audits takes under 0.5 % of a core and wakes under 10 times a second`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let collectors = try agent.registerFour()
            _ = try agent.command(["check", "--live"])
            // The agent's pid, as this process knows it.
            var clock = clockid_t()
            try #require(clock_getcpuclockid(agent.process.outerPid, &clock) == 0)
            func used() -> Double {
                var time = timespec()
                clock_gettime(clock, &time)
                return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
            }
            let wakeups = LeakTests.switches(of: agent.process.pid)
            // Load makes the same work take more time: the smaller of two shares.
            var shares: [Double] = []
            for _ in 0..<2 {
                let (before, start) = (used(), ContinuousClock.now)
                sleep(10)
                shares.append((used() - before) / ((ContinuousClock.now - start) / .seconds(1)))
            }
            #expect(shares.min()! < 0.005, "\(shares)")
            let more = LeakTests.switches(of: agent.process.pid) - wakeups
            #expect(wakeups > 0 && more < 200, "\(more) wake-ups in 20 s")
            _ = collectors
        }
    }
}

extension String {
    /// How often the text occurs in it.
    fileprivate func components(of text: String) -> Int { ranges(of: text).count }
}
