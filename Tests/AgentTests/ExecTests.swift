import Glibc
import SockArrayCore
import TelemetryLab
import Testing
import TestSupport

/// `exec` registers what it runs, and keeps it registered.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct ExecTests {
    @Test func `exec registers a collector by itself, logs it once, and a kill frees its slot`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let exec = try Exec(in: sandbox)
            #expect(exec.waitUntilSaid("c1 is registered", .seconds(5)))
            #expect(try agent.ownerPid() == exec.processes[0])
            #expect(try agent.isActive())
            #expect(try exec.waitUntilTried(1))  // a look at it in between
            #expect(
                exec.said == "reuseport-agent: c1 is registered: groups ipfix, bmp, process "
                    + "\(exec.processes[0])\n")
            // No process keeps a copy of a socket, which therefore closes with the collector.
            try exec.send(SIGKILL, to: exec.processes[0])
            #expect(try exec.process.wait() == -SIGKILL)
            #expect(try !agent.isActive())
        }
    }

    @Test func `a collector behind a shell that restarts it is registered both times, not the shell`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let exec = try Exec(["sh", "-c", "while :; do \"$@\"; done", "sh"] + Exec.collector, in: sandbox)
            #expect(exec.waitUntilSaid("c1 is registered: "))
            let first = exec.processes[1]
            #expect(try agent.ownerPid() == first)
            try exec.send(SIGKILL, to: first)
            #expect(exec.waitUntilSaid("c1 is registered again: "))
            #expect(exec.processes.count == 2 && exec.processes[1] != first)
            #expect(try agent.ownerPid() == exec.processes[1])
        }
    }

    @Test func `exec as user 1000 registers with a root agent through a control socket of mode 0666`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(
                    extra: "control_socket: {path: \(AgentFixture.controlPath), mode: \"0666\"}"))
            let exec = try Exec(in: sandbox, user: 1_000)
            #expect(exec.waitUntilSaid("c1 is registered: "), "\(exec.said)")
            #expect(ProcessFacts.user(of: exec.processes[0]) == 1_000)
            #expect(try agent.ownerPid() == exec.processes[0])
            exec.process.send(SIGTERM)
            #expect(try exec.process.wait() == -SIGTERM)
        }
    }

    @Test func `first process of a PID namespace: the agent outside knows the collector by its own pid`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let exec = try Exec(in: sandbox, prefix: Exec.asFirstProcess)
            #expect(exec.waitUntilSaid("groups ipfix, bmp, process 2\n"), "\(exec.said)")
            let collector = exec.processes[1]
            #expect(collector != 2)
            #expect(try agent.ownerPid() == collector)
        }
    }

    @Test func `an agent that can't see the process registers its sockets without a pid`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let path = sandbox.newPath("agent.yaml")
            try FileText.write(AgentFixture.configuration(), to: path)
            let agent = try ChildProcess(
                Exec.asFirstProcess + [AgentUnderTest.program, "run", "--config", path], in: sandbox)
            let exec = try Exec(in: sandbox)
            #expect(exec.waitUntilSaid("c1 is registered: "), "\(exec.said)")
            let status = try CommandResult.of(AgentUnderTest.program, ["status", "--json"], in: sandbox).output
            #expect(status.contains("\"state\":\"active\"") && !status.contains("\"pid\""), "\(status)")
            agent.send(SIGTERM)
        }
    }

    @Test func `the agent finds a collector that exec may not inspect, also across PID namespaces`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let exec = try Exec(
                ["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups"] + Exec.collector, in: sandbox,
                prefix: ["setpriv", "--bounding-set=-sys_ptrace"] + Exec.asFirstProcess)
            #expect(exec.waitUntilSaid("groups ipfix, bmp, process 2\n"), "\(exec.said)")
            #expect(ProcessFacts.user(of: exec.processes[1]) == 1_000)
            #expect(try agent.ownerPid() == exec.processes[1])
        }
    }

    @Test func `exec registers after the agent starts late, is killed and restarted, or its pool is unloaded`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let exec = try Exec(in: sandbox)
            #expect(exec.waitUntilSaid("waiting for the agent at \(AgentFixture.controlPath): "))
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            #expect(exec.waitUntilSaid("c1 is registered: ", .seconds(5)))
            try agent.kill()
            waitUntil(.seconds(10)) { exec.said.occurrences(of: "waiting for the agent") == 2 }
            try agent.restart()
            #expect(exec.waitUntilSaid("c1 is registered as before: ", .seconds(5)))
            try agent.kill()
            #expect(
                try CommandResult.of(AgentUnderTest.program, ["unload", "--pool", "edge"], in: sandbox).exitCode == 0)
            try agent.restart()
            #expect(exec.waitUntilSaid("c1 is registered again: ", .seconds(15)))
            #expect(try agent.isActive())
            #expect(exec.process.exitCode == nil)
        }
    }

    @Test func `an unknown name is logged as refused once on both sides, and registered after a reload adds it`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(collectors: ["c1"]))
            let exec = try Exec(as: "c2", in: sandbox)
            #expect(exec.waitUntilSaid("register c2: pool edge has no collector of that name; it has c1; use one"))
            #expect(try exec.waitUntilTried(2))
            #expect(exec.said.split(separator: "\n").count == 1)
            #expect(agent.process.errorOutput.occurrences(of: "no collector of that name") == 0)
            try FileText.write(
                AgentFixture.configuration(collectors: ["c1", "c2"]), to: agent.configurationPath)
            #expect(try agent.command(["reload"]).exitCode == 0)
            #expect(exec.waitUntilSaid("c2 is registered: groups ipfix, bmp", .seconds(5)))
        }
    }

    @Test func `a slot of another process is logged as refused once on both sides, and taken when free`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let holder = try Exec(in: sandbox)
            #expect(holder.waitUntilSaid("c1 is registered: "))
            let exec = try Exec(in: sandbox)
            let refusal = "registered with another live socket in group ipfix (of process \(holder.processes[0]), "
            #expect(exec.waitUntilSaid(refusal))
            #expect(try exec.waitUntilTried(2))
            #expect(exec.said.split(separator: "\n").count == 1)
            #expect(agent.process.errorOutput.occurrences(of: "registered with another live socket") == 1)
            holder.process.send(SIGTERM)
            #expect(exec.waitUntilSaid("c1 is registered: ", .seconds(5)))
            #expect(try agent.ownerPid() == exec.processes[0])
        }
    }

    @Test(arguments: [
        (["sleep", "60"], true, Int32(4), "no process of the command has a socket for every group"),
        (["sleep", "60"], false, 3, "no agent answers at"),
        (["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"], false, 3, "no agent answers at"),
    ]) func `--wait 0.5 s ends an unregistered command with the refusal's exit code`(
        command: [String], hasAgent: Bool, code: Int32, cause: String
    ) async throws {
        try await Sandbox.run { sandbox in
            let agent = hasAgent ? try AgentFixture(in: sandbox, program: AgentUnderTest.program) : nil
            let exec = try Exec(command, in: sandbox, options: ["--wait", "0.5"])
            let start = ContinuousClock.now
            #expect(try exec.process.wait() == code)
            // One that doesn't heed SIGTERM is killed 10 s later.
            #expect(ContinuousClock.now - start < .seconds(command[0] == "sh" ? 15 : 5))
            #expect(exec.said.contains(cause) && exec.said.contains("after 0.5 s"), "\(exec.said)")
            _ = agent
        }
    }
}
