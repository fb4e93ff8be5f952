import CBPFShim
import Glibc
import SockArrayCore
import TelemetryLab
import Testing
import TestSupport

/// Input that no client should send, and machines that lack a prerequisite.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct BadInputTests {
    /// After whatever it was: the same maps, and the agent answers.
    private static func checkUnharmed(
        _ agent: AgentFixture, _ before: PinnedMaps, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        #expect(agent.process.exitCode == nil, sourceLocation: sourceLocation)
        #expect(try PinnedMaps.read().differences(from: before) == [], sourceLocation: sourceLocation)
        let status = try agent.command(["status", "--json"])
        #expect(status.output.occurrences(of: "\"state\":\"active\"") == 4, sourceLocation: sourceLocation)
    }

    private static func connect(_ path: String) throws -> Descriptor {
        let number = rpa_unix_connect(path, 60_000)
        guard number >= 0 else { throw LabError("connect \(path): errno \(-number)") }
        return Descriptor(owning: number)
    }

    /// Sends, closes its direction, and reads the answer, if there is one.
    private static func exchange(_ path: String, _ bytes: [UInt8], fds: [Int32] = []) throws -> String {
        let stream = try connect(path)
        _ = rpa_send(stream.number, bytes, bytes.count, fds, fds.count)
        shutdown(stream.number, Int32(SHUT_WR))
        var answer: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 65_536)
        while true {
            let length = read(stream.number, &part, part.count)
            guard length > 0 else { return String(decoding: answer, as: UTF8.self) }
            answer += part[..<length]
        }
    }

    @Test func `garbage, half a message, 10,000 descriptors and 1 GB on the control socket change nothing`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let collectors = try agent.registerFour()
            let before = try PinnedMaps.read()
            let descriptorsBefore = FileText.names(in: "/proc/\(agent.process.pid)/fd").count
            var generator = SystemRandomNumberGenerator()
            for length in [0, 1, 100, 5_000, 60_000] {
                let garbage = (0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) }
                let answer = try Self.exchange(AgentFixture.controlPath, garbage)
                #expect(answer.contains("\"kind\":2"), "\(length): \(answer)")
            }
            let half = Array("{\"unregister\":{\"collector\":\"c".utf8)
            #expect(try Self.exchange(AgentFixture.controlPath, half).contains("not a request that this agent knows"))
            let cases = [
                "{\"register\":{\"collector\":\"c1\",\"labels\":[]}}",
                "{\"register\":{\"collector\":\"c1\",\"labels\":[\"fd 3\"]}}",
                "{\"register_process\":{\"collector\":\"c1\",\"pid\":-1}}", "{\"explain\":{\"addresses\":[\"x\"]}}",
                "[]", "{}",
            ]
            for text in cases {
                #expect(try Self.exchange(AgentFixture.controlPath, Array(text.utf8)).contains("failure"), "\(text)")
            }
            // 40 messages with 250 descriptors each on one connection, until the agent refuses them.
            do {
                let stream = try Self.connect(AgentFixture.controlPath)
                let many = [Int32](repeating: collectors[0].udp.number, count: 250)
                for _ in 0..<40 where rpa_send(stream.number, [0x7b], 1, many, many.count) < 0 { break }
            }
            do {
                let stream = try Self.connect(AgentFixture.controlPath)
                let megabyte = [UInt8](repeating: 0x20, count: 1 << 20)
                for _ in 0..<1_024 where rpa_send(stream.number, megabyte, megabyte.count, nil, 0) < 0 { break }
            }
            try Self.checkUnharmed(agent, before)
            #expect(
                waitUntil(.seconds(8)) {
                    FileText.names(in: "/proc/\(agent.process.pid)/fd").count <= descriptorsBefore
                }, "borrowed descriptors are closed")
        }
    }

    @Test func `requests that no command sends don't end the agent`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let weights = ["0", "-1", "9223372036854775807", "1099511627776"]
            var requests = weights.flatMap { weight in
                [
                    "\"add\":[{\"name\":\"x\",\"weight\":\(weight)}],\"remove\":[],\"weight\":[]",
                    "\"add\":[],\"remove\":[],\"weight\":[{\"name\":\"c1\",\"weight\":\(weight)}]",
                ].map { "{\"plan\":{\"_0\":{\($0)}}}" }
            }
            for bound in ["0", "-1", "0.5", "1e308", "NaN"] {
                requests.append("{\"rebalance\":{\"bound\":\(bound),\"starts_over\":false,\"apply\":true}}")
            }
            for request in requests {
                let reply = try Self.exchange(AgentFixture.controlPath, Array(request.utf8))
                #expect(reply.contains("failure"), "\(request): \(reply)")
            }
            #expect(try agent.command(["status"]).exitCode == 0)
        }
    }

    @Test func `idle connections on the status and control sockets block neither`() async throws {
        try await Sandbox.run { sandbox in
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            // A lower limit would stay in force during the next tests of this process.
            limit = rlimit(rlim_cur: max(limit.rlim_cur, 8_192), rlim_max: max(limit.rlim_max, 8_192))
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let collectors = try agent.registerFour()
            let before = try PinnedMaps.read()
            var idle: [Int32] = []
            for _ in 0..<1_000 { idle.append(try Self.connect(AgentFixture.statusPath).release()) }
            for _ in 0..<200 { idle.append(try Self.connect(AgentFixture.controlPath).release()) }
            #expect(try agent.get("/status").status == 200)
            try Self.checkUnharmed(agent, before)
            idle.forEach { close($0) }
            _ = collectors
        }
    }

    @Test func `300 clients connect before the first one asks: each is answered`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            // While it is stopped they queue up, and it finds them all at once.
            agent.process.send(SIGSTOP)
            let clients = try (0..<300).map { _ in try Self.connect(AgentFixture.controlPath).release() }
            defer { clients.forEach { close($0) } }
            agent.process.send(SIGCONT)
            for client in clients {
                let request = Array("{\"status\":{}}".utf8)
                #expect(rpa_send(client, request, request.count, nil, 0) == request.count)
                shutdown(client, Int32(SHUT_WR))
            }
            var answered = 0
            for client in clients {
                var part = [UInt8](repeating: 0, count: 65_536)
                if read(client, &part, part.count) > 0 { answered += 1 }
            }
            #expect(answered == 300)
        }
    }

    @Test func `after 100 clients that connect and close, both sockets answer the next one`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            for _ in 0..<50 {
                for path in [AgentFixture.statusPath, AgentFixture.controlPath] { _ = try Self.connect(path) }
            }
            #expect(try agent.get("/status").status == 200)
            #expect(try agent.command(["status"]).exitCode == 0)
            #expect(!agent.process.errorOutput.contains("warning"))
        }
    }

    @Test func `failing output is exit 1 with a message, except for a reader that closed the pipe`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            for arguments in ["status", "explain 192.0.2.1", "check", "--help"] {
                for (script, text) in [
                    ("> /dev/full", "cannot write the output: standard output can't be written (ENOSPC)"),
                    (">&-", "(EBADF)"),
                ] {
                    let process = try ChildProcess(
                        ["sh", "-c", "\(AgentUnderTest.program) \(arguments) \(script)"], in: sandbox)
                    #expect(try process.wait() == 1, "\(arguments) \(script)")
                    #expect(process.errorOutput.contains(text), "\(process.errorOutput)")
                }
            }
            var ends: [Int32] = [0, 0]
            // Without a copy of the reader's end in a process that another test starts.
            let made = ForkGate.pass {
                let made = pipe(&ends)
                close(ends[0])
                return made
            }
            #expect(made == 0)
            let output = Descriptor(owning: ends[1])
            let process = try agent.start(["status"], descriptors: [1: output.number])
            #expect(try process.wait() == 1)
            #expect(process.errorOutput == "")
        }
    }

    @Test func `8 open files are too few: exit 6, and how to raise the limit`() async throws {
        try await Sandbox.run { sandbox in
            let path = sandbox.newPath("edge.yaml")
            try FileText.write(AgentFixture.configuration(), to: path)
            let run = try ChildProcess(
                ["sh", "-c", "ulimit -n 8; exec \(AgentUnderTest.program) run --config \(path)"], in: sandbox)
            #expect(try run.wait() == 6)
            #expect(run.errorOutput.contains("the limit of open files is too low (EMFILE); raise it: ulimit -n"))
            #expect(run.errorOutput.contains("LimitNOFILE="))
        }
    }

    @Test func `a bad configuration is exit 2 and makes neither pins nor sockets`() async throws {
        try await Sandbox.run { sandbox in
            let path = sandbox.newPath("bad.yaml")
            func run() throws -> CommandResult {
                try CommandResult.of(AgentUnderTest.program, ["run", "--config", path], in: sandbox)
            }
            try FileText.write(AgentFixture.configuration(extra: "colector: c9"), to: path)
            let unknown = try run()
            #expect(unknown.exitCode == 2)
            #expect(unknown.errorOutput.contains("\(path):7"), "\(unknown.errorOutput)")
            #expect(unknown.errorOutput.contains("has no key colector"))
            let sparse = open(path, O_WRONLY | O_TRUNC)
            ftruncate(sparse, 100 << 20)
            close(sparse)
            let huge = try run()
            #expect(huge.exitCode == 2)
            #expect(huge.errorOutput.contains("it has 104857600 bytes, more than 16777216"))
            unlink(path)
            let missing = try run()
            #expect(missing.exitCode == 2)
            #expect(missing.errorOutput.contains("could not be opened (ENOENT)"))
            #expect(FileText.names(in: "/sys/fs/bpf").filter { !$0.hasSuffix(".debug") }.isEmpty)
            #expect(access("/run/reuseport-agent", F_OK) == -1)
        }
    }

    @Test func `an unmounted bpffs is mounted at its standard path; elsewhere it is a refusal with a remedy`()
        async throws
    {
        try await Sandbox.run { sandbox in
            #expect(umount2("/sys/fs/bpf", 0) == 0)
            let path = sandbox.newPath("edge.yaml")
            try FileText.write(AgentFixture.configuration(extra: "bpffs: /run/pins"), to: path)
            let refused = try CommandResult.of(AgentUnderTest.program, ["run", "--config", path], in: sandbox)
            #expect(refused.exitCode == 6)
            #expect(
                refused.errorOutput.contains(
                    "no bpffs is mounted at or above /run/pins; mount it as root: mkdir -p /run/pins && mount -t bpf bpf /run/pins"
                ))
            #expect(access("/run/pins", F_OK) == -1)
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            #expect(rpa_is_bpffs("/sys/fs/bpf") == 1)
            _ = agent
        }
    }

    @Test func `without CAP_BPF the exit code is 6, with the way to grant it`() async throws {
        try await Sandbox.run { sandbox in
            let path = sandbox.newPath("edge.yaml")
            try FileText.write(AgentFixture.configuration(), to: path)
            let run = [AgentUnderTest.program, "run", "--config", path]
            let bounded = try ChildProcess(["setpriv", "--bounding-set=-bpf,-sys_admin"] + run, in: sandbox)
            #expect(try bounded.wait() == 6, "\(bounded.errorOutput)")
            #expect(bounded.errorOutput.contains("(EPERM)"), "\(bounded.errorOutput)")
            #expect(bounded.errorOutput.contains("CAP_BPF"))
            let user = try ChildProcess(run, in: sandbox, user: 1_000)
            #expect(try user.wait() == 6, "\(user.errorOutput)")
        }
    }

    /// The kernel's refusal is mocked by strace, which makes bpf(2) fail.
    @Test func `a kernel without the program type is exit 6, with EINVAL in the message`() async throws {
        try await Sandbox.run { sandbox in
            let path = sandbox.newPath("edge.yaml")
            try FileText.write(AgentFixture.configuration(), to: path)
            // From the first program load on: maps and their pins work.
            let run = try ChildProcess(
                [
                    "strace", "-qq", "-o", "/dev/null", "-e", "inject=bpf:error=EINVAL:when=15+",
                    AgentUnderTest.program,
                    "run", "--config", path,
                ],
                in: sandbox)
            #expect(try run.wait() == 6, "\(run.errorOutput)")
            #expect(run.errorOutput.contains("EINVAL"), "\(run.errorOutput)")
            #expect(run.errorOutput.contains("reuseport-agent check"), "\(run.errorOutput)")
            // The next agent completes an incomplete pool.
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            #expect(try agent.registerFour().count == 4)
        }
    }

    @Test func `register takes systemd's LISTEN_FDS and selects among them by LISTEN_FDNAMES`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let sockets = try CollectorSockets("c1")
            let other = try InternetSocket(.udp, bind: .v4(0x7f00_0001), port: 9)
            // The shell's exec keeps its pid, which LISTEN_PID has to name.
            let script = "LISTEN_PID=$$ exec \(AgentUnderTest.program) register --collector c1 --listen-fds"
            let process = try ChildProcess(
                ["sh", "-c", script], in: sandbox,
                environment: ["LISTEN_FDS": "3", "LISTEN_FDNAMES": "ipfix:http:bmp"],
                descriptors: [3: sockets.udp.number, 4: other.number, 5: sockets.tcp.number])
            #expect(try process.wait() == 0, "\(process.errorOutput)")
            #expect(process.output.contains("groups ipfix, bmp"))
            let foreign = try agent.command(
                ["register", "--collector", "c1", "--listen-fds"], environment: ["LISTEN_FDS": "2", "LISTEN_PID": "1"])
            #expect(foreign.exitCode == 2 && foreign.errorOutput.contains("not for this process"))
        }
    }
}
