import Glibc
import PoolModel
import SockArrayCore
import TelemetryLab
import Testing
import TestSupport

/// What the command of `exec` finds, and how `exec` stands between it, the agent and a service manager.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct ExecSupervisionTests {
    /// Sets the variables as systemd does for the process that becomes `exec`.
    private static let activation = [
        "sh", "-c",
        "export LISTEN_FDS=2 LISTEN_PID=$$ LISTEN_PIDFDID=9 WATCHDOG_PID=$$ WATCHDOG_USEC=5000000; exec \"$@\"", "sh",
    ]

    @Test func `a command under socket activation and watchdog finds its own pid and both descriptors`() async throws {
        try await Sandbox.run { sandbox in
            let sockets = try CollectorSockets("c1")
            let script = """
                echo $$ $LISTEN_PID $LISTEN_FDS ${LISTEN_PIDFDID-none} $WATCHDOG_PID $WATCHDOG_USEC $GODEBUG; \
                readlink /proc/$$/fd/3 /proc/$$/fd/4
                """
            let exec = try Exec(
                ["sh", "-c", script], in: sandbox, prefix: Self.activation,
                descriptors: [3: sockets.udp.number, 4: sockets.tcp.number])
            #expect(try exec.process.wait() == 0)
            let lines = exec.process.output.split(separator: "\n")
            let pid = lines.first?.prefix(while: \.isNumber) ?? ""
            #expect(lines.first == "\(pid) \(pid) 2 none \(pid) 5000000 multipathtcp=0")
            #expect(pid != "\(exec.process.pid)")
            #expect(lines.count == 3 && lines.dropFirst().allSatisfy { $0.hasPrefix("socket:") }, "\(lines)")
        }
    }

    @Test func `variables that name another process, and a GODEBUG with multipathtcp, reach the command unchanged`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let prefix = [
                "env", "LISTEN_FDS=1", "LISTEN_PID=1", "WATCHDOG_PID=1", "GODEBUG=multipathtcp=1,http2client=0",
            ]
            let exec = try Exec(
                ["sh", "-c", "echo $LISTEN_PID $WATCHDOG_PID $GODEBUG"], in: sandbox, prefix: prefix)
            #expect(try exec.process.wait() == 0)
            #expect(exec.process.output == "1 1 multipathtcp=1,http2client=0\n")
        }
    }

    @Test func `exec names the user whose sockets keep its command from binding`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(extra: "collector_user: 1001"))
            // The command binds when exec knows the groups.
            let exec = try Exec(["sh", "-c", "sleep 1; exec \"$@\"", "sh"] + Exec.collector, in: sandbox)
            #expect(try exec.process.wait() != 0, "\(exec.said)")
            #expect(
                exec.said.contains(
                    "sockets of user 1001 at udp 0.0.0.0:4739, tcp 0.0.0.0:1790, such as the agent's own"),
                "\(exec.said)")
            #expect(
                exec.said.contains(
                    "run the command as user 1001; or, to run all collectors as user 0, set collector_user: 0"),
                "\(exec.said)")
            let other = try Exec(["sh", "-c", "sleep 1; exit 3"], in: sandbox, user: 1_001)
            #expect(try other.process.wait() == 3 && !other.said.contains("sockets of user"), "\(other.said)")
            _ = agent
        }
    }

    @Test func `exec keeps no copy of the sockets that its command inherits, and registers the command with them`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            var sockets: CollectorSockets? = try CollectorSockets("c1")
            let exec = try Exec(
                ["sleep", "1000"], in: sandbox, prefix: Self.activation,
                descriptors: [3: sockets!.udp.number, 4: sockets!.tcp.number])
            #expect(exec.waitUntilSaid("c1 is registered: "))
            sockets = nil
            #expect(try agent.ownerPid() == exec.processes[0])
            // Its connection to the agent comes and goes.
            let folder = "/proc/\(exec.process.pid)/fd"
            #expect(
                waitUntil(.seconds(10)) {
                    !FileText.names(in: folder).contains {
                        Directory.target(ofLink: "\(folder)/\($0)")?.hasPrefix("socket:") ?? false
                    }
                })
        }
    }

    // MARK: - Commands that go to the background

    private static let daemon = ["sh", "-c", "setsid \"$@\" & exit 0", "sh"] + Exec.collector

    /// The pid in `left process 812 (sh)`.
    private static func leftPid(_ text: String) -> Int32? {
        guard let start = text.firstRange(of: "left process ")?.upperBound else { return nil }
        return Int32(text[start...].prefix(while: \.isNumber))
    }

    @Test(arguments: [[], Exec.asFirstProcess])
    func `--wait: a command that goes to the background is exit 4, named, and what it left is terminated`(
        prefix: [String]
    ) async throws {
        try await Sandbox.run { sandbox in
            let exec = try Exec(Self.daemon, in: sandbox, options: ["--wait", "60"], prefix: prefix)
            #expect(try exec.process.wait(.seconds(30)) == 4)
            #expect(exec.said.contains("cannot supervise sh: it went to the background"), "\(exec.said)")
            #expect(exec.said.contains("which is terminated; start it in the foreground"), "\(exec.said)")
            let left = try #require(Self.leftPid(exec.said))
            if prefix.isEmpty { #expect(ProcessFacts.startTime(of: left) == nil) }
        }
    }

    @Test func `without --wait exec names the command that went to the background, and ends as its first process`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let exec = try Exec(Self.daemon, in: sandbox)
            #expect(try exec.process.wait() == 0)
            #expect(exec.said.contains("still running without supervision; end what is left"), "\(exec.said)")
            let left = try #require(Self.leftPid(exec.said))
            #expect(ProcessFacts.startTime(of: left) != nil)
            try exec.send(SIGKILL, to: left)
        }
    }

    @Test(arguments: ["sleep 1000 & exit 3", "sleep 1000 & kill -TERM $$", "sleep 0 & wait; exit 0"])
    func `a command that fails, or leaves nothing, didn't go to the background`(script: String) async throws {
        try await Sandbox.run { sandbox in
            let exec = try Exec(["sh", "-c", script], in: sandbox, options: ["--wait", "60"])
            let end = try exec.process.wait()
            #expect(end == 3 || end == -SIGTERM || end == 0)
            #expect(!exec.said.contains("background"), "\(exec.said)")
        }
    }

    @Test func `a wrapper that ends well after its registered collector didn't go to the background`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let wrapper = ["sh", "-c", "sleep 5 & \"$@\" & wait $!; exit 0", "sh"] + Exec.collector
            let exec = try Exec(wrapper, in: sandbox)
            #expect(exec.waitUntilSaid("c1 is registered: "))
            try exec.send(SIGTERM, to: try #require(try agent.ownerPid()))
            #expect(try exec.process.wait() == 0)
            #expect(!exec.said.contains("background"), "\(exec.said)")
        }
    }

    // MARK: - An orderly end

    /// Binds both groups, closes them on SIGTERM, and ends when the file is there.
    private static func slowToEnd(_ file: String) -> [String] {
        [
            "perl", "-MIO::Socket::INET", "-e",
            """
            $| = 1; my @s = map {; IO::Socket::INET->new(LocalAddr => "0.0.0.0", ReusePort => 1, @$_) or die $! }
                [LocalPort => 4739, Proto => "udp"], [LocalPort => 1790, Proto => "tcp", Listen => 1];
            $SIG{TERM} = sub { @s = (); print "closed\\n" }; select undef, undef, undef, 0.05 until -e $ARGV[0];
            """, file,
        ]
    }

    @Test func `a collector that closes its sockets before it ends, after SIGTERM, leaves no error in exec's log`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let file = sandbox.newPath("end")
            let exec = try Exec(Self.slowToEnd(file), in: sandbox)
            #expect(exec.waitUntilSaid("c1 is registered: "))
            exec.process.send(SIGTERM)
            #expect(exec.waitUntilPrinted("closed\n"))
            // It looks, and finds the sockets gone.
            #expect(try exec.waitUntilTried(1))
            try FileText.write("", to: file)
            #expect(try exec.process.wait() == 0)
            #expect(exec.said.split(separator: "\n").count == 1, "\(exec.said)")
            #expect(agent.process.errorOutput.occurrences(of: "is extended") == 0)
        }
    }

    // MARK: - The hold

    @Test
    func `while the command runs and binds nothing, the hold lasts longer; its exporters return without failover`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(collectors: ["c1", "c2"], hold: "30s"))
            let file = sandbox.newPath("bind")
            let script = "\"$@\"; until [ -e \(file) ]; do sleep 0.05; done; exec \"$@\""
            let exec = try Exec(["sh", "-c", script, "sh"] + Exec.collector, in: sandbox)
            #expect(exec.waitUntilSaid("c1 is registered: "))
            try exec.send(SIGKILL, to: exec.processes[1])
            // From its next look on, at most 5 s later, it asks for more.
            #expect(try exec.waitUntilTried(3))
            #expect(agent.process.errorOutput.occurrences(of: "is extended") == 0)
            func isExtended() -> Bool { agent.process.errorOutput.contains("is extended, by at most 30") }
            // A request comes in each of these pauses.
            #expect(
                try waitUntil(.seconds(60), every: .milliseconds(400)) {
                    if !isExtended() { try PinnedMaps.letPass(.seconds(1), pool: "edge") }
                    return isExtended()
                })
            for _ in 0..<8 {
                try PinnedMaps.letPass(.seconds(1), pool: "edge")
                #expect(try exec.waitUntilTried(1))
            }
            #expect(try agent.command(["status"]).output.contains("holding"))
            #expect(agent.process.errorOutput.occurrences(of: "is extended, by at most 30") == 1)
            try FileText.write("", to: file)
            #expect(exec.waitUntilSaid("c1 is registered again: "))
            #expect(try agent.isActive())
            #expect(!agent.process.errorOutput.contains("did not come back in time"))
        }
    }

    // MARK: - Replacement

    @Test func `exec --replace takes the name over, ends the old process and its exec, and stays the supervisor`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let path = sandbox.newPath("notify")
            let manager = try NotifySocket(path)
            let old = try Exec(in: sandbox)
            #expect(old.waitUntilSaid("c1 is registered: "))
            let oldCollector = old.processes[0]
            let new = try Exec(
                in: sandbox, options: ["--replace", "--wait", "60"], prefix: ["env", "NOTIFY_SOCKET=\(path)"])
            #expect(new.waitUntilSaid(", in place of process \(oldCollector)\n"), "\(new.said)")
            #expect(new.waitUntilSaid("process \(oldCollector), the old c1, has read its queued data and got SIGTERM"))
            #expect(try old.process.wait() == -SIGTERM)
            #expect(try agent.ownerPid() == new.processes[0])
            #expect(try agent.isActive())
            // Of one control group: systemd goes on with the new exec as the unit's main process.
            #expect(manager.received == "MAINPID=\(new.process.pid)\n")
            // It supervises on, and registers again what it has to.
            try agent.kill()
            #expect(new.waitUntilSaid("waiting for the agent"))
            try agent.restart()
            #expect(new.waitUntilSaid("c1 is registered as before: "))
            new.process.send(SIGTERM)
            #expect(try new.process.wait() == -SIGTERM)
        }
    }

    @Test func `exec --replace without an old process registers as always, and never takes the name twice`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let first = try Exec(in: sandbox, options: ["--replace"])
            #expect(first.waitUntilSaid("c1 is registered: "))
            #expect(!first.said.contains("in place of"))
            let second = try Exec(in: sandbox, options: ["--replace"])
            #expect(second.waitUntilSaid("in place of process \(first.processes[0])\n"))
            #expect(try first.process.wait() == -SIGTERM)
            #expect(!first.said.contains("registered again"), "\(first.said)")
            #expect(try agent.ownerPid() == second.processes[0])
        }
    }

    @Test func `exec --replace leaves the old collector alone while its own binds nothing`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let old = try Exec(in: sandbox)
            #expect(old.waitUntilSaid("c1 is registered: "))
            let new = try Exec(["sleep", "60"], in: sandbox, options: ["--replace", "--wait", "0.5"])
            #expect(try new.process.wait() == 4)
            #expect(try agent.ownerPid() == old.processes[0])
            #expect(try agent.isActive() && old.process.exitCode == nil)
        }
    }
    @Test func `exec of a replaced process reports which process replaced it, and doesn't register its own again`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let old = try Exec(in: sandbox)
            #expect(old.waitUntilSaid("c1 is registered: "))
            let new = try ChildProcess(Exec.collector, in: sandbox)
            #expect(waitUntil(.seconds(20)) { new.output.contains("ready") })
            let pid = new.pid
            let replaced = try agent.command(["replace", "--collector", "c1", "--pid", "\(pid)"])
            #expect(replaced.exitCode == 0, "\(replaced)")
            #expect(old.waitUntilSaid("process \(pid) was registered in its place; end process \(old.processes[0])"))
            // The next renewal is due after 5 s, and the one after it after another second.
            usleep(7_000_000)
            #expect(!old.said.contains("reuseport-agent replace"), "\(old.said)")
            #expect(try agent.ownerPid() == pid)
            // The next agent knows it, too.
            try agent.kill()
            #expect(old.waitUntilSaid("waiting for the agent"))
            try agent.restart()
            usleep(7_000_000)
            #expect(!old.said.contains("reuseport-agent replace"), "\(old.said)")
            #expect(try agent.ownerPid() == pid)
        }
    }
}
