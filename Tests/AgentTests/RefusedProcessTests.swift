import Glibc
import PoolModel
import TelemetryLab
import Testing
import TestSupport

/// Processes that can't be registered as they are: the refusal says what they are, and changes nothing. `sleep`
/// stands in for collectors.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct RefusedProcessTests {
    private static func refuse(
        _ exitCode: Int32, _ texts: String..., sourceLocation: SourceLocation = #_sourceLocation,
        _ command: () throws -> CommandResult
    ) throws {
        let before = try PinnedMaps.read()
        let result = try command()
        #expect(result.exitCode == exitCode, "\(result.errorOutput)", sourceLocation: sourceLocation)
        for text in texts {
            #expect(result.errorOutput.contains(text), "\(result.errorOutput)", sourceLocation: sourceLocation)
        }
        #expect(try PinnedMaps.read().differences(from: before) == [], sourceLocation: sourceLocation)
    }

    private static func process(_ sockets: [InternetSocket], in sandbox: Sandbox) throws -> ChildProcess {
        let numbers = sockets.enumerated().map { (Int32($0.offset + 5), $0.element.number) }
        return try ChildProcess(
            ["sleep", "60"], in: sandbox, descriptors: Dictionary(uniqueKeysWithValues: numbers))
    }

    @Test func `--pid of a registered collector, or of a process that shares its socket, takes nobody out`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let sockets = try CollectorSockets("c1")
            let first = try Self.process([sockets.udp, sockets.tcp], in: sandbox)
            let second = try Self.process([sockets.udp, sockets.tcp], in: sandbox)
            func register(_ name: String, _ pid: Int32) throws -> CommandResult {
                try agent.command(["register", "--collector", name, "--pid", "\(pid)"])
            }
            #expect(try register("c1", first.pid).exitCode == 0)
            try Self.refuse(5, "process \(first.pid) is that collector; give the process of c2 itself") {
                try register("c2", first.pid)
            }
            try Self.refuse(5, "whose process \(first.pid) shares it with process \(second.pid)") {
                try register("c2", second.pid)
            }
            #expect(try agent.isActive())
        }
    }

    @Test func `a process whose TCP listener is MPTCP is refused without a wait, with MPTCP as the cause`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let udp = try InternetSocket.collector(.udp, .v4(0), port: 4_739)
            // As a Go program without GODEBUG=multipathtcp=0.
            let mptcp = try InternetSocket.collector(.mptcp, .v4(0), port: 1_790)
            for sockets in [[udp, mptcp], [mptcp]] {
                let collector = try Self.process(sockets, in: sandbox)
                // A refusal that waited would end after more than the test's limit for a command.
                try Self.refuse(4, "for group bmp (tcp 0.0.0.0:1790) is an MPTCP listener", "multipathtcp=0") {
                    try agent.command(["register", "--collector", "c1", "--pid", "\(collector.pid)", "--wait", "300"])
                }
            }
        }
    }

    @Test func `an owner that doesn't have the sockets is refused`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let sockets = try CollectorSockets("c1")
            let other = try Self.process([], in: sandbox)
            try Self.refuse(4, "none of these sockets is open in process \(other.pid)") {
                try agent.command(
                    ["register", "--collector", "c1", "--fd", "10", "--fd", "11", "--owner", "\(other.pid)"],
                    descriptors: [10: sockets.udp.number, 11: sockets.tcp.number])
            }
        }
    }

    @Test func `sockets of two processes in one call are refused, with the socket and the process`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let first = try CollectorSockets("c1")
            let second = try CollectorSockets("c2")
            let owner = try Self.process([first.udp, first.tcp], in: sandbox)
            try Self.refuse(4, "(udp 0.0.0.0:4739) is not open in process \(owner.pid), which has the other sockets") {
                try agent.command(
                    [
                        "register", "--collector", "c1", "--fd", "10", "--fd", "11", "--fd", "12", "--owner",
                        "\(owner.pid)",
                    ], descriptors: [10: first.udp.number, 11: first.tcp.number, 12: second.udp.number])
            }
        }
    }

    /// CAP_NET_BIND_SERVICE, permitted and effective: struct vfs_cap_data of linux/capability.h.
    private static let setcap = """
        import os, shutil, struct, sys
        shutil.copy("/usr/bin/sleep", sys.argv[1])
        os.setxattr(sys.argv[1], "security.capability", struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0))
        """

    @Test func `exec names setcap, if neither it nor the agent may look into its collector because of that`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let control = "control_socket: {path: \(AgentFixture.controlPath), mode: \"0666\"}"
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(extra: control),
                launcher: ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"])
            // The sandbox's own folders are mounted with nosuid.
            let program = AgentUnderTest.program + "-setcap-\(getpid())"
            defer { unlink(program) }
            let script = try ChildProcess(["python3", "-c", Self.setcap, program], in: sandbox)
            #expect(try script.wait() == 0, "\(script.errorOutput)")
            let sockets = try CollectorSockets("c1")
            let exec = try Exec(
                [program, "60"], in: sandbox, user: 1_000, descriptors: [5: sockets.udp.number, 6: sockets.tcp.number])
            #expect(exec.waitUntilSaid("although it runs as exec's user: its binary has file capabilities (setcap)"))
            #expect(exec.said.contains("AmbientCapabilities="), "\(exec.said)")
            #expect(try !agent.isActive())
        }
    }

    @Test func `exec names the MPTCP listener of its command, and ends it after --wait`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let udp = try InternetSocket.collector(.udp, .v4(0), port: 4_739)
            let mptcp = try InternetSocket.collector(.mptcp, .v4(0), port: 1_790)
            let exec = try Exec(
                ["sleep", "60"], in: sandbox, options: ["--wait", "2"],
                descriptors: [5: udp.number, 6: mptcp.number])
            #expect(try exec.process.wait() == 4)
            #expect(exec.said.contains("(tcp 0.0.0.0:1790) is an MPTCP listener"), "\(exec.said)")
            #expect(exec.said.contains("multipathtcp=0"))
            _ = agent
        }
    }

    @Test func `a socket in another program's sockarray is exit 5 with who has it`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let (sockets, foreign) = (try CollectorSockets("c1"), try ForeignSocketArray())
            try foreign.take(sockets.udp)
            try Self.refuse(5, "in the BPF map (sockarray) of another program", "(EBUSY)", "nfacctd_rp_ebpf_prog") {
                try sockets.register(with: agent)
            }
        }
    }
}
