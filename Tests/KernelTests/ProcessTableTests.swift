import Glibc
import PoolModel
import SockArrayCore
import TelemetryLab
import Testing

/// Collectors found among real processes.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces")) struct ProcessTableTests {
    private static func find(
        _ recognitions: [String: Recognition], users: Set<UInt32> = [0], ofAllUsers: Bool = false
    ) throws -> RecognizedProcesses {
        var table = try ProcessTable()
        return table.processes(for: recognitions, socketUsers: users, ofAllUsers: ofAllUsers)
    }

    private static func command(_ text: String, user: UInt32? = nil) throws -> Recognition {
        .command(try CommandPattern(text), user: user)
    }

    @Test func `a command or user matches processes of the sockets' users, and of a named user`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let ours = try ChildProcess(["sleep", "601"], in: sandbox)
            let theirs = try ChildProcess(["sleep", "601"], in: sandbox, user: 1_000)
            // setpriv becomes it a moment after it was started.
            waitUntil(.seconds(5)) { ProcessFacts.user(of: theirs.pid) == 1_000 }
            #expect(try Self.find(["c1": Self.command("sleep 601")]).pids == ["c1": [ours.pid]])
            #expect(try Self.find(["c1": Self.command("sleep 601")], users: [1_000]).pids == ["c1": [theirs.pid]])
            #expect(try Self.find(["c1": Self.command("sleep 60")]).pids == [:])
            #expect(try Self.find(["c1": Self.command("*p 60?")], users: [1]).pids == [:])
            // A process that changed its user after it bound its sockets, and a wrapper that did not.
            let anybody = try Self.find(["c1": Self.command("sleep 601")], ofAllUsers: true)
            #expect(Set(anybody.pids["c1"] ?? []) == [ours.pid, theirs.pid])
            let named = try Self.find(["c1": Self.command("sleep 601", user: 0)], ofAllUsers: true)
            #expect(named.pids == ["c1": [ours.pid]])
            #expect(try Self.find(["c1": Self.command("sleep 601", user: 1_000)]).pids == ["c1": [theirs.pid]])
            #expect(try Self.find(["c1": .user(1_000)], users: []).pids == ["c1": [theirs.pid]])
            let two = try Self.find(["c1": Self.command("601"), "c2": .user(1_000)], users: [0, 1_000])
            #expect(two.pids == ["c1": [ours.pid]])
            #expect(two.ambiguous == [theirs.pid: ["c1", "c2"]])
        }
    }

    @Test func `a process with this one's pid in another PID namespace is found`() async throws {
        try await Sandbox.run { sandbox in
            let number = getpid()
            let script = "echo \(number - 1) > /proc/sys/kernel/ns_last_pid; sleep 606 & wait"
            let parent = try ChildProcess(["sh", "-c", script], in: sandbox)
            #expect(waitUntil(.seconds(5)) { Self.pid(of: "sleep 60?") != nil || parent.exitCode != nil })
            #expect(Self.pid(of: "sleep 60?") == number)
        }
    }

    @Test func `arguments with spaces, with newlines or missing are read; an ended process isn't found`() async throws {
        try await Sandbox.run { sandbox in
            let odd = try ChildProcess(["sh", "-c", "sleep 602\n:", "my collector", ""], in: sandbox)
            func isFound(_ pattern: String) throws -> Bool {
                try Self.find(["c1": Self.command(pattern)]).pids["c1"]?.first == odd.pid
            }
            #expect(waitUntil(.seconds(5)) { (try? isFound("sh -c sleep 602\n: my collector")) == true })
            #expect(try isFound("my collector"))
            #expect(try isFound("sh -c sleep 602*collector"))
            odd.send(SIGKILL)
            #expect(waitUntil(.seconds(5)) { (try? isFound("my collector")) == false })
            // Its parent hasn't waited for it, and it is still in /proc.
            #expect(access("/proc/\(odd.pid)", F_OK) == 0)
        }
    }

    @Test func `a pid file finds its process of any user; stale, empty or missing it finds none`() async throws {
        try await Sandbox.run { sandbox in
            let sleeper = try ChildProcess(["sleep", "603"], in: sandbox)
            let path = sandbox.newPath("c1.pid")
            func pids() throws -> [String: [Int32]] { try Self.find(["c1": .pidFile(path)], users: [7]).pids }
            #expect(try pids() == [:])
            try FileText.write("", to: path)
            #expect(try pids() == [:])
            try FileText.write(" \(sleeper.pid)\nmore", to: path)
            #expect(try pids() == ["c1": [sleeper.pid]])
            sleeper.send(SIGKILL)
            try sleeper.wait()
            #expect(try pids() == [:])
            #expect(throws: PidFile.Problem.stale(sleeper.pid)) { try PidFile(path: path).livePid() }
        }
    }

    @Test func `a unit finds the processes of its control group and those below, of any user, the parent first`()
        async throws
    {
        let name = "reuseport-agent-test-\(getpid())-\(UInt32.random(in: 0 ... .max))@c1.service"
        try await Sandbox.run { sandbox in
            let mount = sandbox.newPath("cgroup")
            mkdir(mount, 0o755)
            try #require(Glibc.mount("none", mount, "cgroup2", 0, nil) == 0)
            let (unit, below) = ("\(mount)/\(name)", "\(mount)/\(name)/worker")
            try #require(mkdir(unit, 0o755) == 0 && mkdir(below, 0o755) == 0)
            let recognition = ["c1": Recognition.unit(try UnitName(name)), "c2": .unit(try UnitName("other"))]
            // 0 is whoever writes it.
            let script =
                "echo 0 >'\(unit)/cgroup.procs'; (echo 0 >'\(below)/cgroup.procs'; exec sleep 604) & "
                + "trap 'kill $!' TERM; wait"
            let collector = try ChildProcess(["sh", "-c", script], in: sandbox)
            defer {
                // The control groups are the machine's: they go when nobody is in them.
                collector.send(SIGTERM)
                #expect(waitUntil(.seconds(5)) { rmdir(below) == 0 || errno == ENOENT })
                #expect(waitUntil(.seconds(5)) { rmdir(unit) == 0 })
            }
            #expect(waitUntil(.seconds(5)) { Self.pid(of: "sleep 604") != nil })
            let worker = try #require(Self.pid(of: "sleep 604"))
            #expect(try Self.find(recognition).pids == ["c1": [collector.pid, worker]])
            #expect(try Self.find(recognition, users: [1_000]).pids == ["c1": [collector.pid, worker]])
        }
    }

    private static func pid(of command: String) -> Int32? {
        (try? find(["x": Self.command(command)]))?.pids["x"]?.last
    }

    @Test(.enabled(if: NfacctdCollector.isInstalled, "needs pmacct"))
    func `nfacctd, which overwrites its command line, is found by command and by title before its plugin`() async throws
    {
        try await Sandbox.run { sandbox in
            let c1 = try NfacctdCollector("c1", in: sandbox)
            let byFile = ["c1": try Self.command("c1.conf")]
            #expect(waitUntil(.seconds(5)) { (try? Self.find(byFile).pids) == ["c1": [c1.process.pid]] })
            #expect(c1.waitUntilReady())
            let byTitle = ["c1": try Self.command("nfacctd: Core Process [c1]")]
            #expect(waitUntil(.seconds(20)) { (try? Self.find(byTitle).pids) == ["c1": [c1.process.pid]] })
            // The titles stand there now, the plugin's a moment later.
            #expect(waitUntil(.seconds(20)) { (try? Self.find(byFile).pids) == [:] })
            let anyTitle = ["c1": try Self.command("nfacctd: *")]
            #expect(waitUntil(.seconds(20)) { (try? Self.find(anyTitle).pids["c1"]?.count) == 2 })
            let all = try #require(try Self.find(anyTitle).pids["c1"])
            try #require(all.count == 2 && all.first == c1.process.pid)
            #expect(try Self.find(["c1": Self.command("nfacctd: Print Plugin [flows]")]).pids == ["c1": [all[1]]])
        }
    }

    @Test func `2,000 processes of another user cost a stat each, a third of reading their command lines`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let count = 2_000
            let crowd = try ChildProcess(
                ["sh", "-c", "i=0; while [ $i -lt \(count) ]; do sleep 605 & i=$((i+1)); done; echo all; wait"],
                in: sandbox, user: 1_000)
            #expect(waitUntil(.seconds(180)) { crowd.output.contains("all") })
            // Forked, that is; each is sleep a moment later.
            #expect(
                waitUntil(.seconds(180)) {
                    (try? Self.find(["c1": Self.command("sleep 60?")], users: [1_000]).pids["c1"]?.count) == count
                })
            func time(_ recognition: Recognition, _ users: Set<UInt32>) throws -> Duration {
                let start = Self.processorTime
                _ = try Self.find(["c1": recognition], users: users)
                return Self.processorTime - start
            }
            let (match, miss) = (try Self.command("sleep 60?"), try Self.command("sleep 60? x"))
            let unit = Recognition.unit(try UnitName("c1"))
            // In turn, so that other load on the caches slows all of them.
            var least = [Duration](repeating: .seconds(1_000), count: 4)
            for _ in 0..<5 {
                least[0] = min(least[0], try time(match, [0]))
                least[1] = min(least[1], try time(miss, [1_000]))
                least[2] = min(least[2], try time(unit, [1_000]))
                least[3] = min(least[3], try time(match, [1_000]))
            }
            let (others, lines) = (least[0], least[1])
            print(
                "\(count) processes: stats \(others), command lines \(lines), control groups \(least[2]), "
                    + "matches \(least[3])")
            #expect(others * 3 < lines, "\(others) and \(lines)")
            #expect(try Self.find(["c1": Self.command("sleep 60?")], users: [1_000]).pids["c1"]?.count == count)
        }
    }

    /// Of this thread.
    private static var processorTime: Duration {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}
