import AgentCore
import Glibc
import PoolModel
import TelemetryLab
import Testing
import TestSupport

/// Places where the agent can't listen, and what happens to files and sockets that are there.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct ListenAddressTests {
    /// Both say the same of a configuration, and leave no pins.
    private static func refuse(
        _ key: String, _ path: String, _ exitCode: Int32, _ text: String, in sandbox: Sandbox, user: UInt32? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let file = sandbox.newPath("edge.yaml")
        let other = "bpffs: /sys/fs/bpf"  // it exists, so that it is no cause
        try FileText.write(AgentFixture.configuration(extra: "\(key): {path: \(path)}\n\(other)"), to: file)
        let run = try CommandResult.of(AgentUnderTest.program, ["run", "--config", file], in: sandbox, user: user)
        #expect(run.exitCode == exitCode, "\(run.errorOutput)", sourceLocation: sourceLocation)
        #expect(
            run.errorOutput.contains("cannot listen at \(path): \(text)"), "\(run.errorOutput)",
            sourceLocation: sourceLocation)
        #expect(run.errorOutput.contains("choose another path for \(key)"), sourceLocation: sourceLocation)
        let check = try CommandResult.of(AgentUnderTest.program, ["check", "--config", file], in: sandbox, user: user)
        #expect(check.exitCode == exitCode, "\(check.output)", sourceLocation: sourceLocation)
        #expect(check.output.contains("✗ \(key) \(path): cannot listen at \(path): \(text)"), "\(check.output)")
        #expect(FileText.names(in: "/sys/fs/bpf").filter { !$0.hasSuffix(".debug") }.isEmpty)
    }

    @Test func `a socket path that is a file, link or directory, missing or read-only: exit 2, nothing is touched`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let file = sandbox.newPath("file")
            let link = sandbox.newPath("link")
            try FileText.write("precious", to: file)
            symlink(file, link)
            try Self.refuse("control_socket", file, 2, "a regular file is there, not a socket", in: sandbox)
            try Self.refuse("status_socket", file, 2, "a regular file is there, not a socket", in: sandbox)
            try Self.refuse("control_socket", link, 2, "a symbolic link is there", in: sandbox)
            try Self.refuse("status_socket", sandbox.folder, 2, "a directory is there", in: sandbox)
            try Self.refuse("status_socket", "\(file)/s", 2, "\(file) is no folder (ENOTDIR)", in: sandbox)
            try Self.refuse("status_socket", "/run/a/b/s", 2, "there is no folder /run/a (ENOENT)", in: sandbox)
            mkdir("/run/fixed", 0o755)
            mount("none", "/run/fixed", "tmpfs", UInt(MS_RDONLY), nil)
            try Self.refuse("status_socket", "/run/fixed/s", 2, "/run/fixed is in a read-only file system", in: sandbox)
            #expect(FileText.read(file) == "precious")
            #expect(access(link, F_OK) == 0)
        }
    }

    @Test func `a folder without write permission is exit 6`() async throws {
        try await Sandbox.run { sandbox in
            let file = sandbox.newPath("edge.yaml")
            try FileText.write(AgentFixture.configuration(extra: "control_socket: {path: /run/c.sock}"), to: file)
            let run = try CommandResult.of(AgentUnderTest.program, ["run", "--config", file], in: sandbox, user: 1_000)
            #expect(run.exitCode == 6)
            #expect(
                run.errorOutput.contains("/run may not be written (EACCES); run it as root, or as a user who may write")
            )
        }
    }

    @Test func `the agent removes only its own sockets when it stops`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            unlink(AgentFixture.controlPath)
            try FileText.write("precious", to: AgentFixture.controlPath)
            agent.process.send(SIGTERM)
            #expect(try agent.process.wait() == 0)
            #expect(FileText.read(AgentFixture.controlPath) == "precious")
            #expect(access(AgentFixture.statusPath, F_OK) == -1)
        }
    }

    @Test func `another pool's agent on the same sockets is exit 5 and leaves no pins`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let other = sandbox.newPath("other.yaml")
            let text = AgentFixture.configuration()
            try FileText.write("pool: other" + text.dropFirst("pool: edge".count), to: other)
            let second = try agent.command(["run", "--config", other])
            #expect(second.exitCode == 5)
            #expect(second.errorOutput.contains("\(AgentFixture.controlPath): another process listens there"))
            #expect(access("/sys/fs/bpf/reuseport-agent/other", F_OK) == -1)
            let check = try agent.command(["check", "--config", other])
            #expect(check.exitCode == 5, "\(check.output)")
            #expect(try agent.command(["status"]).exitCode == 0)
            try agent.kill()
            let stale = try agent.command(["check", "--config", other])
            #expect(stale.exitCode == 0, "\(stale.output)")
        }
    }

    @Test func `check accepts the 3 sockets of the pool's own running agent, and not another process's`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(extra: StatusClient.Place.configuration))
            let check = try agent.command(["check", "--config", agent.configurationPath])
            #expect(check.exitCode == 0, "\(check.output)")
            #expect(check.output.ranges(of: "this pool's agent listens there").count == 3, "\(check.output)")
            let other = try InternetSocket.collector(.tcp, StatusClient.Place.loopback, port: 9_478)
            let file = sandbox.newPath("changed.yaml")
            try FileText.write(AgentFixture.configuration(extra: "status_http: 127.0.0.1:9478"), to: file)
            let changed = try agent.command(["check", "--config", file])
            #expect(
                changed.exitCode == 5 && changed.output.contains("✗ status_http 127.0.0.1:9478"), "\(changed.output)")
            #expect(changed.output.ranges(of: "this pool's agent listens there").count == 2)
            _ = other
        }
    }

    @Test func `check and run exit with 5 if another agent runs the pool and listens elsewhere`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let file = sandbox.newPath("elsewhere.yaml")
            let sockets = "control_socket: {path: /run/a.sock}\nstatus_socket: {path: /run/a-status.sock}"
            try FileText.write(AgentFixture.configuration(extra: sockets), to: file)
            for command in ["check", "run"] {
                let result = try agent.command([command, "--config", file])
                #expect(result.exitCode == 5, "\(result)")
                #expect((result.output + result.errorOutput).contains("runs "), "\(result)")
            }
            let check = try agent.command(["check", "--config", file]).output
            let words = "✗ agent of pool edge: process \(agent.process.pid) already runs this pool"
            #expect(check.contains(words), "\(check)")
            try agent.kill()
            let free = try agent.command(["check", "--config", file])
            #expect(free.exitCode == 0 && !free.output.contains("agent of pool"), "\(free)")
        }
    }

    @Test func `a hung agent is exit 3, and the remedy says if the request may have taken effect`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            agent.process.send(SIGSTOP)
            defer { agent.process.send(SIGCONT) }
            let client = ControlClient(path: AgentFixture.controlPath, timeout: .milliseconds(300))
            let requests: [(ControlRequest, Bool)] = [(.status, true), (.drain(collector: "c1"), false)]
            for (request, isReadOnly) in requests {
                let failure = #expect(throws: Failure.self) { _ = try client.send(request, act: "ask") }
                #expect(failure?.kind == .absent, "\(String(describing: failure))")
                #expect(failure?.problem.contains("gave no answer (for 0.3 s)") == true)
                #expect(failure?.remedy.contains("may have taken effect") == !isReadOnly)
            }
        }
    }

    @Test func `a taken status_http is exit 5 of run and check without pins; port 80 of a user is exit 6`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let file = sandbox.newPath("edge.yaml")
            let bpffs = "\nbpffs: /sys/fs/bpf"
            try FileText.write(AgentFixture.configuration(extra: StatusClient.Place.configuration + bpffs), to: file)
            var other: InternetSocket? = try .collector(
                .tcp, StatusClient.Place.loopback, port: StatusClient.Place.port)
            for command in ["run", "check"] {
                let result = try CommandResult.of(AgentUnderTest.program, [command, "--config", file], in: sandbox)
                #expect(result.exitCode == 5)
                let text = result.output + result.errorOutput
                #expect(text.contains("cannot listen at 127.0.0.1:9477: another process listens there"), "\(text)")
                #expect(text.contains("stop that process, or choose another port for status_http"), "\(text)")
            }
            #expect(FileText.names(in: "/sys/fs/bpf").filter { !$0.hasSuffix(".debug") }.isEmpty)
            #expect(access(AgentFixture.controlPath, F_OK) == -1)
            other = nil
            let check = try CommandResult.of(AgentUnderTest.program, ["check", "--config", file], in: sandbox)
            #expect(check.exitCode == 0 && check.output.contains("✓ status_http 127.0.0.1:9477"), "\(check.output)")
            let low = AgentFixture.configuration(extra: "status_http: 127.0.0.1:80\(bpffs)")
            try FileText.write(low, to: file)
            let user = try CommandResult.of(
                AgentUnderTest.program, ["check", "--config", file], in: sandbox, user: 1_000)
            #expect(user.exitCode == 6)
            #expect(user.output.contains("cannot listen at 127.0.0.1:80: the port may not be taken"), "\(user.output)")
            _ = other
        }
    }

    @Test func `status_http answers over IPv4 and IPv6, and no other process can join it by SO_REUSEPORT`() async throws
    {
        try await Sandbox.run { sandbox in
            for (text, place) in [("127.0.0.1:9477", "127.0.0.1"), ("\"[::1]:9477\"", "[::1]")] {
                let agent = try AgentFixture(
                    in: sandbox, program: AgentUnderTest.program,
                    configuration: AgentFixture.configuration(extra: "status_http: \(text)"))
                let curl = try ChildProcess(["curl", "-s", "http://\(place):9477/status"], in: sandbox)
                #expect(try curl.wait() == 0)
                let time = #/"time":1[0-9.]+,/#
                let other = try agent.get("/status").body.replacing(time, with: "")
                #expect(curl.output.replacing(time, with: "") == other, "\(curl.output)")
                #expect(!agent.process.errorOutput.contains("loopback"))
                let address: IPAddress = place == "[::1]" ? .v6(0, 1) : .v4(0x7f00_0001)
                #expect(throws: LabError.self) {
                    try InternetSocket.collector(.tcp, address, port: StatusClient.Place.port)
                }
                agent.process.send(SIGTERM)
                #expect(try agent.process.wait() == 0)
            }
        }
    }

    @Test func `a status_http beyond loopback logs one warning that readers need no password`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(extra: "status_http: \"[::]:9477\""))
            let warning = "status_http [::]:9477 is not a loopback address: anyone who can reach it can read"
            #expect(waitUntil(.seconds(5)) { agent.process.errorOutput.contains(warning) })
            #expect(agent.process.errorOutput.occurrences(of: "warning") == 1)
            // `::` takes IPv4, too.
            #expect(try StatusClient.get("/status", over: .tcp).status == 200)
        }
    }

    @Test func `a path that isn't a control socket is exit 3 and names the kind of file`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            func status(_ path: String, _ text: String) throws {
                let result = try agent.command(["status", "--control", path])
                #expect(result.exitCode == 3)
                #expect(result.errorOutput.contains(text), "\(result.errorOutput)")
            }
            try status(AgentFixture.statusPath, "is not the control socket: it speaks HTTP")
            try status(agent.configurationPath, "is a regular file, not a socket (ECONNREFUSED)")
            try agent.kill()
            try status(AgentFixture.controlPath, "any more; its collectors continue (ECONNREFUSED)")
        }
    }
}
