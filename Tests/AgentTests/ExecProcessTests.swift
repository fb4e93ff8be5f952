import Glibc
import SockArrayCore
import TelemetryLab
import Testing
import TestSupport

/// `exec` stands for its command: signals, ends, orphans, terminals.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct ExecProcessTests {
    @Test(arguments: [
        ("exit 0", Int32(0)), ("exit 3", 3), ("kill -TERM $$", -SIGTERM), ("kill -KILL $$", -SIGKILL),
        ("kill -SEGV $$", -SIGSEGV), ("kill -HUP $$", -SIGHUP),
    ]) func `exec ends with its command's exit code or signal`(script: String, end: Int32) async throws {
        try await Sandbox.run { sandbox in
            let exec = try Exec(["sh", "-c", script], in: sandbox)
            #expect(try exec.process.wait() == end)
        }
    }

    @Test(arguments: [
        (["nonesuch"], Int32(127), "cannot run nonesuch: it is in no folder of PATH (ENOENT)"),
        (["/run/nonesuch"], 127, "there is no such file (ENOENT)"),
        (["/etc/passwd"], 126, "it may not be executed (EACCES)"), (["/run"], 126, "EACCES"),
    ]) func `a missing command is exit 127, one that can't be executed 126`(
        command: [String], end: Int32, cause: String
    )
        async throws
    {
        try await Sandbox.run { sandbox in
            let exec = try Exec(command, in: sandbox)
            #expect(try exec.process.wait() == end)
            #expect(exec.said.contains(cause), "\(exec.said)")
            #expect(exec.said.split(separator: "\n").count == 1)
        }
    }

    @Test func `a missing command or unknown option is exit 2; options after the command are the command's`()
        async throws
    {
        try await Sandbox.run { sandbox in
            func run(_ arguments: [String]) throws -> CommandResult {
                try CommandResult.of(AgentUnderTest.program, ["exec", "--collector", "c1"] + arguments, in: sandbox)
            }
            for arguments in [[], ["--"], ["--wiat", "3", "true"], ["--wait", "-1", "--", "true"]] {
                let result = try run(arguments)
                #expect(result.exitCode == 2, "\(arguments)")
            }
            #expect(try run(["echo", "-f", "--wait", "--help"]).output == "-f --wait --help\n")
            #expect(try run(["--", "echo", "--", "-f"]).output == "-- -f\n")
        }
    }

    @Test func `the command starts as without exec: descriptors, signal mask and ignored signals`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let script = "ls /proc/self/fd; grep -E 'Sig(Blk|Ign)' /proc/self/status"
            let ignoring = ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"]
            let alone = try ChildProcess(ignoring + ["sh", "-c", script], in: sandbox)
            try alone.wait()
            let exec = try Exec(["sh", "-c", script], in: sandbox, prefix: ignoring)
            try exec.process.wait()
            #expect(exec.process.output == alone.output)
            #expect(alone.output.hasSuffix("1\n"), "the lowest bit is SIGHUP's: \(alone.output)")
        }
    }

    /// Prints the name of each signal that it gets; ends by TERM.
    private static let listener = [
        "perl", "-e",
        """
        $| = 1; for my $s (qw(HUP INT QUIT USR1 USR2 WINCH CONT TSTP TERM)) {
        $SIG{$s} = sub { print "$s\\n"; exit 5 if $s eq "TERM" } } print "ready\\n"; sleep 1 while 1;
        """,
    ]

    @Test func `nine signals are forwarded once each, and exec has one thread`() async throws {
        try await Sandbox.run { sandbox in
            let exec = try Exec(Self.listener, in: sandbox)
            #expect(exec.waitUntilPrinted("ready\n"))
            #expect(FileText.names(in: "/proc/\(exec.process.pid)/task").count == 1)
            var expected = "ready\n"
            let signals = [
                (SIGHUP, "HUP"), (SIGINT, "INT"), (SIGQUIT, "QUIT"), (SIGUSR1, "USR1"), (SIGUSR2, "USR2"),
                (SIGWINCH, "WINCH"), (SIGCONT, "CONT"), (SIGTSTP, "TSTP"), (SIGTERM, "TERM"),
            ]
            for (signal, name) in signals {
                exec.process.send(signal)
                expected += name + "\n"
                #expect(exec.waitUntilPrinted(expected), "\(name): \(exec.process.output)")
            }
            #expect(try exec.process.wait() == 5)
            #expect(exec.process.output == expected)
        }
    }

    @Test func `SIGTERM at any moment of the start ends exec and command, 20 of 20 times`() async throws {
        try await Sandbox.run { sandbox in
            for index in 0..<20 {
                let exec = try Exec(["sleep", "77"], in: sandbox)
                usleep(UInt32(index) * 3_000)
                exec.process.send(SIGTERM)
                #expect(try exec.process.wait(.seconds(5)) == -SIGTERM)
            }
            #expect(waitUntil(.seconds(2)) { Self.pids(of: "sleep").isEmpty })
        }
    }

    private static func pids(of name: String) -> [String] {
        FileText.names(in: "/proc").filter { FileText.read("/proc/\($0)/comm") == name + "\n" }
    }

    @Test func `an agent that hangs delays no signal`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            agent.process.send(SIGSTOP)
            let exec = try Exec(in: sandbox)
            #expect(exec.waitUntilPrinted("ready\n"))
            usleep(300_000)
            exec.process.send(SIGTERM)
            #expect(try exec.process.wait(.seconds(5)) == -SIGTERM)
            agent.process.send(SIGCONT)
        }
    }

    @Test func `SIGKILL of exec ends its command, too`() async throws {
        try await Sandbox.run { sandbox in
            let exec = try Exec(Self.listener, in: sandbox)
            #expect(exec.waitUntilPrinted("ready\n"))
            let command = exec.processes[0]
            exec.process.send(SIGKILL)
            try exec.process.wait()
            #expect(waitUntil(.seconds(2)) { ProcessFacts.startTime(of: command) == nil })
            #expect(exec.process.output == "ready\nTERM\n")
        }
    }

    @Test func `as first process of a PID namespace exec reaps orphans, forwards SIGTERM and reports signal 9 as 137`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let script = "for i in 1 2 3 4 5 6 7 8 9 10; do (sleep 0.1 & sleep 0.2 &) ; done; exec \"$@\""
            let exec = try Exec(["sh", "-c", script, "sh"] + Self.listener, in: sandbox, prefix: Exec.asFirstProcess)
            #expect(exec.waitUntilPrinted("ready\n"))
            // unshare's child is exec, and that one's the command, alone.
            #expect(waitUntil(.seconds(5)) { exec.processes.count == 2 }, "\(exec.processes)")
            let (first, command) = (exec.processes[0], exec.processes[1])
            try exec.send(SIGUSR1, to: first)
            #expect(exec.waitUntilPrinted("USR1\n"))
            try exec.send(SIGKILL, to: command)
            #expect(try exec.process.wait() == 128 + SIGKILL)
        }
    }

    /// It runs in the foreground of its terminal. (proc(5): its state, parent, process group, session,
    /// terminal, and the process group in the foreground there.)
    private static func hasTerminal(_ pid: String) -> Bool {
        guard let stat = FileText.read("/proc/\(pid)/stat"), let end = stat.lastIndex(of: ")") else { return false }
        let fields = stat[end...].dropFirst(2).split(separator: " ")
        return fields.count > 5 && fields[0].lowercased() != "t" && fields[2] == fields[5]
    }

    @Test func `Ctrl-C and Ctrl-Z reach the command once; exec sends neither and stops with the command`()
        async throws
    {
        try await Sandbox.run { sandbox in
            var ends: [Int32] = [0, 0]
            pipe(&ends)
            let input = Descriptor(owning: ends[0])
            let keys = Descriptor(owning: ends[1])
            let script = sandbox.newPath("terminal.sh")
            // With job control, like an interactive shell.
            try FileText.write(
                """
                set -m
                \(AgentUnderTest.program) exec --collector c1 -- \
                    perl -e '$| = 1; $SIG{INT} = sub { print "GOT\\n" }; print "ready\\n"; sleep 1 while 1'
                echo stopped; fg; echo end $?
                """, to: script)
            let terminal = try ChildProcess(
                ["script", "-q", "-c", "bash \(script)", "/dev/null"], in: sandbox, descriptors: [0: input.number])
            func type(_ key: UInt8) {
                var key = key
                _ = write(keys.number, &key, 1)
            }
            func shows(_ text: String) -> Bool { waitUntil(.seconds(10)) { terminal.output.contains(text) } }
            #expect(shows("ready"), "\(terminal.output)\(terminal.errorOutput)")
            let exec = try #require(Self.pids(of: "reuseport-agent").first)
            let trace = sandbox.newPath("trace")
            let tracer = try ChildProcess(
                ["strace", "-f", "-e", "trace=kill,tgkill", "-o", trace, "-p", exec], in: sandbox)
            #expect(waitUntil(.seconds(10)) { tracer.errorOutput.contains("attached") })
            type(3)
            #expect(shows("^CGOT"))
            type(26)
            #expect(shows("stopped"), "\(terminal.output)")
            // fg has given it the terminal, and let it run.
            #expect(waitUntil(.seconds(10)) { Self.hasTerminal(exec) }, "\(terminal.output)")
            type(3)
            #expect(waitUntil(.seconds(10)) { terminal.output.occurrences(of: "^CGOT") == 2 }, "\(terminal.output)")
            type(28)
            #expect(shows("end 131"), "\(terminal.output)")
            try tracer.wait()
            // The calls that exec made: none for Ctrl-C. fg's SIGCONT came by kill(2) and is forwarded.
            let calls = (FileText.read(trace) ?? "").split(separator: "\n").filter { $0.contains("kill(") }
            #expect(!calls.contains { $0.contains("SIGINT") }, "\(calls)")
            #expect(calls.count { $0.contains("SIGTSTP") } == 1, "its own stop: \(calls)")
            #expect(calls.count { $0.contains("SIGQUIT") } == 1, "its own end: \(calls)")
        }
    }
}
