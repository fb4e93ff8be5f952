import Glibc
import TelemetryLab
import Testing
import TestSupport

/// Limits of open files (RLIMIT_NOFILE) against what collectors have open.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct OpenFilesTests {
    private static let sessionCount = 1_500
    /// Runs a command with 500 connected sockets, whose numbers go before those of its own.
    private static let behind500Sockets = [
        "bash", "-c",
        "ulimit -Sn 8192; for n in {3..502}; do eval \"exec $n<>/dev/udp/127.0.0.1/9\"; done; exec \"$0\" \"$@\"",
    ]

    @Test
    func `an agent with 256 open files registers a collector with 500 more sockets and 1,500 sessions`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, launcher: ["prlimit", "--nofile=256:256"])
            let collector = try CountedCollector("c1", in: sandbox, launcher: Self.behind500Sockets)
            let routers = try Self.openSessions(with: collector)
            try collector.register(with: agent)
            #expect(try agent.isActive())
            #expect(try PinnedMaps.sessionCount() == Self.sessionCount && routers.count == Self.sessionCount)
        }
    }

    @Test func `exec with 256 open files registers a command with 500 more sockets and 1,500 sessions`() async throws {
        try await Sandbox.run { sandbox in
            let collector = try CountedCollector(
                "c1", in: sandbox,
                launcher: ["prlimit", "--nofile=256:8192", AgentUnderTest.program, "exec", "--collector", "c1", "--"]
                    + Self.behind500Sockets)
            let routers = try Self.openSessions(with: collector)
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            #expect(waitUntil(.seconds(5)) { (try? agent.isActive()) ?? false }, "\(collector.process.errorOutput)")
            #expect(try agent.ownerPid() == collector.pid && routers.count == Self.sessionCount)
        }
    }

    @Test func `an agent whose limit is too low for the passed sockets names the limit, and registers nothing`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, launcher: ["prlimit", "--nofile=200:200"])
            let sockets = try CollectorSockets("c1")
            // 250 numbers of one socket: a request may have 253, and the agent has its own files, too.
            let numbered = Dictionary(uniqueKeysWithValues: (Int32(10)..<260).map { ($0, sockets.udp.number) })
            let flags = numbered.keys.sorted().flatMap { ["--fd", "\($0)"] }
            let refused = try agent.command(["register", "--collector", "c1"] + flags, descriptors: numbered)
            #expect(refused.exitCode == 6, "\(refused)")
            #expect(refused.errorOutput.contains("its limit of open files (RLIMIT_NOFILE) is reached (EMFILE)"))
            #expect(refused.errorOutput.contains("raise LimitNOFILE= of the agent's unit"), "\(refused)")
            // The descriptors that came are closed, and it works.
            #expect(try sockets.register(with: agent).exitCode == 0)
        }
    }

    @Test func `with a limit of 256 open files, 1,024 at most, the agent takes 1,024 and exec's command 256`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let limits = ["prlimit", "--nofile=256:1024"]
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program, launcher: limits)
            #expect(try Self.limits(of: agent.process.pid) == ["1024", "1024"])
            let exec = try Exec(["sh", "-c", "ulimit -Sn; ulimit -Hn"], in: sandbox, prefix: limits)
            #expect(try exec.process.wait() == 0)
            #expect(exec.process.output == "256\n1024\n")
        }
    }

    /// Routers' ends of sessions that the collector has accepted.
    private static func openSessions(with collector: CountedCollector) throws -> [InternetSocket] {
        var limit = rlimit(rlim_cur: 0, rlim_max: 0)
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, 65_536))
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        try collector.waitUntilBound()
        let routers = try (0..<UInt32(sessionCount)).map { index in
            let router = try InternetSocket(.tcp, bind: .v4(0x0a00_0001 + index))
            try router.connect(.v4(0x7f00_0001), 1_790)
            return router
        }
        let areAccepted = waitUntil(.seconds(10)) {
            FileText.names(in: "/proc/\(collector.pid)/fd").count >= 500 + sessionCount
        }
        guard areAccepted else { throw LabError("not all sessions are accepted") }
        return routers
    }

    /// The soft and the hard limit in /proc/PID/limits.
    private static func limits(of pid: Int32) throws -> [Substring] {
        let line = (FileText.read("/proc/\(pid)/limits") ?? "").split(separator: "\n")
            .first { $0.hasPrefix("Max open files") }
        guard let line else { throw LabError("process \(pid) is gone") }
        return line.dropFirst("Max open files".count).split(separator: " ").prefix(2).map { $0 }
    }
}
