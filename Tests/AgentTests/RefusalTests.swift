import CBPFShim
import Glibc
import PoolModel
import SockArrayCore
import TelemetryLab
import Testing
import TestSupport

/// An impossible registration is refused with its exit code and a message, and
/// the maps are the same before and after, byte for byte.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct RefusalTests {
    /// Runs the refused command between two readings of the maps.
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
        #expect(result.errorOutput.hasPrefix("reuseport-agent: cannot "), sourceLocation: sourceLocation)
        #expect(try PinnedMaps.read().differences(from: before) == [], sourceLocation: sourceLocation)
    }

    @Test func `14 kinds of unfit descriptors are exit 4, even beside a fit one, and register nothing`() async throws {
        let elsewhere = try InternetSocket.collector(.udp, .v4(0x7f00_0001), port: 0)
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            _ = try agent.registerFour().dropLast()
            _ = try agent.command(["unregister", "--collector", "c4"])
            let tcp = try InternetSocket.collector(.tcp, .v4(0), port: 1_790)
            func refuse(_ number: Int32, _ text: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
                try Self.refuse(4, "fd 11", text, sourceLocation: sourceLocation) {
                    try agent.register("c4", [tcp.number, number])
                }
            }
            let file = Descriptor(owning: open("/dev/null", O_RDWR))
            try refuse(file.number, "is not a socket (ENOTSOCK)")
            let local = Descriptor(owning: socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0))
            try refuse(local.number, "is a socket of domain 1")
            let raw = Descriptor(owning: socket(AF_INET, Int32(SOCK_RAW.rawValue), Int32(IPPROTO_ICMP)))
            try refuse(raw.number, "not UDP or TCP")
            let connected = try InternetSocket.collector(.udp, .v4(0), port: 4_739)
            try connected.connect(.v4(0x7f00_0001), 9)
            try refuse(connected.number, "4739) ")
            let unbound = try InternetSocket(.udp, reuseport: true)
            try refuse(unbound.number, "is not bound")
            let otherPort = try InternetSocket.collector(.udp, .v4(0), port: 4_740)
            try refuse(otherPort.number, "(udp 0.0.0.0:4740) is of no group of the pool")
            let otherAddress = try InternetSocket.collector(.udp, .v4(0x7f00_0001), port: 4_739)
            try refuse(otherAddress.number, "(udp 127.0.0.1:4739) is of no group")
            let dualStack = try InternetSocket(.udp, bind: .v6(0, 0), port: 4_739, reuseport: true)
            try refuse(dualStack.number, "(udp [::]:4739) is of no group")
            let quiet = try InternetSocket(.tcp, bind: .v4(0), port: 1_790, reuseport: true)
            try refuse(quiet.number, "does not listen")
            try refuse(elsewhere.number, "another network namespace")
            let bound = try InternetSocket(.udp, reuseport: true)
            _ = "lo".withCString { setsockopt(bound.number, SOL_SOCKET, SO_BINDTODEVICE, $0, 3) }
            try bound.bind(.v4(0), 4_739)
            try refuse(bound.number, "(udp 0.0.0.0%lo:4739) is bound to interface lo")
            let linkLocal = try InternetSocket(.udp, reuseport: true, family: AF_INET6)
            try linkLocal.bind(IPAddress("fe80::1")!, 4_739, interface: 1)
            try refuse(linkLocal.number, "(udp [fe80::1%lo]:4739) has a link-local address, and therefore is bound to")
            let mptcp = try InternetSocket.collector(.mptcp, .v4(0), port: 1_790)
            try refuse(mptcp.number, "(tcp 0.0.0.0:1790) is an MPTCP listener (protocol 262)")
            try Self.refuse(4, "fd 4000 is not open (EBADF)") {
                try agent.command(["register", "--collector", "c4", "--fd", "4000"])
            }
        }
    }

    @Test func `a socket without SO_REUSEPORT is exit 4`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let udp = try InternetSocket(.udp, bind: .v4(0), port: 4_739)
            let tcp = try InternetSocket.collector(.tcp, .v4(0), port: 1_790)
            try Self.refuse(4, "fd 10 (udp 0.0.0.0:4739) was bound without SO_REUSEPORT; set SO_REUSEPORT before bind")
            {
                try agent.register("c1", [udp.number, tcp.number])
            }
            // Set after bind it looks right, and the kernel knows better (EINVAL).
            try udp.set(SOL_SOCKET, SO_REUSEPORT, 1)
            try Self.refuse(4, "(EINVAL)") { try agent.register("c1", [udp.number, tcp.number]) }
        }
    }

    @Test func `an incomplete collector is exit 4; a taken name, a moved socket and an unknown name are exit 5`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let four = try agent.registerFour()
            _ = try agent.command(["unregister", "--collector", "c4"])
            try Self.refuse(4, "it has no socket for group ipfix") {
                try agent.register("c4", [four[3].tcp.number])
            }
            try Self.refuse(5, "registered with another live socket") { try four[3].register(with: agent, as: "c1") }
            try Self.refuse(5, "is registered as c1") { try four[0].register(with: agent, as: "c4") }
            try Self.refuse(5, "has no collector of that name; it has c1, c2, c3, c4") {
                try four[3].register(with: agent, as: "c9")
            }
            try Self.refuse(5, "has no collector of that name") {
                try agent.command(["unregister", "--collector", "c9"])
            }
            let again = try four[0].register(with: agent)
            #expect(again.exitCode == 0 && again.output.contains("was already registered"))
        }
    }

    @Test func `--pid is refused for a missing process, one without sockets and one with another address`() async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            func register(_ pid: Int32) throws -> CommandResult {
                try agent.command(["register", "--collector", "c1", "--pid", "\(pid)"])
            }
            try Self.refuse(4, "there is no process 99999 (ESRCH)") { try register(99_999) }
            let sleeper = try ChildProcess(["sleep", "60"], in: sandbox)
            try Self.refuse(4, "has no socket of udp 0.0.0.0:4739", "--wait 30") { try register(sleeper.pid) }
            let other = try InternetSocket.collector(.udp, .v4(0x7f00_0001), port: 4_739)
            let holder = try ChildProcess(["sleep", "60"], in: sandbox, descriptors: [5: other.number])
            try Self.refuse(4, "it has udp 127.0.0.1:4739", "the same") { try register(holder.pid) }
            let tcp = try InternetSocket.collector(.tcp, .v4(0), port: 1_790)
            let half = try ChildProcess(["sleep", "60"], in: sandbox, descriptors: [5: other.number, 6: tcp.number])
            let waited = try agent.command(["register", "--collector", "c1", "--pid", "\(half.pid)", "--wait", "0.2"])
            #expect(waited.exitCode == 4)
            #expect(
                waited.errorOutput.contains("no socket for group ipfix")
                    && waited.errorOutput.contains(
                        "; it has tcp 0.0.0.0:1790, udp 127.0.0.1:4739, after 0.2 s; check whether")
            )
            #expect(!waited.errorOutput.contains("--wait"), "\(waited.errorOutput)")
        }
    }

    @Test func `--pid-file that is missing, empty or stale is exit 4 after a wait; a collector's works`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let path = sandbox.newPath("c1.pid")
            let arguments = ["register", "--collector", "c1", "--pid-file", path]
            try Self.refuse(4, "\(path) is not there (ENOENT); wait until", "--wait 30") {
                try agent.command(arguments)
            }
            try FileText.write("", to: path)
            try Self.refuse(4, "\(path) holds no pid") { try agent.command(arguments) }
            try FileText.write("99999\n", to: path)
            try Self.refuse(4, "\(path) is stale: process 99999 is gone (ESRCH)") { try agent.command(arguments) }
            try Self.refuse(4, "is gone, after 0.1 s (ESRCH); check whether") {
                try agent.command(arguments + ["--wait", "0.1"])
            }
            chmod(path, 0o600)
            let closed = try agent.command(arguments, user: 1_000)
            #expect(closed.exitCode == 6 && closed.errorOutput.contains("\(path) can't be read (EACCES)"))
            try Self.refuse(2, "can't be read (EISDIR)") {
                try agent.command(["register", "--collector", "c1", "--pid-file", sandbox.folder])
            }
            let waiting = try ChildProcess([AgentUnderTest.program] + arguments + ["--wait", "20"], in: sandbox)
            usleep(200_000)
            let sockets = try CollectorSockets("c1")
            let holder = try ChildProcess(
                ["sleep", "60"], in: sandbox, descriptors: [5: sockets.udp.number, 6: sockets.tcp.number])
            try FileText.write("\(holder.pid)\n", to: path)
            #expect(try waiting.wait() == 0, "\(waiting.errorOutput)")
            #expect(try agent.command(["status", "--json"]).output.contains("\"pid\":\(holder.pid)"))
        }
    }

    @Test func `explain without a registered collector says that no program is attached`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let text = "no collector is registered: no program is attached"
            #expect(try agent.command(["explain", "192.0.2.1"]).output.contains(text))
            #expect(try !agent.command(["explain", "192.0.2.1", "--json"]).output.contains(text))
            let collectors = try agent.registerFour()
            #expect(try !agent.command(["explain", "192.0.2.1"]).output.contains(text))
            _ = collectors
        }
    }

    @Test func `usage errors are exit 2 and say what to write`() async throws {
        try await Sandbox.run { sandbox in
            for (arguments, text) in [
                (["register", "--collector", "c1"], "one of --fd, --pid, --pid-file or --listen-fds"),
                (["register", "--collector", "c1", "--fd", "3", "--pid", "1"], "one of --fd"),
                (["register", "--collector", "c1", "--fd", "3", "--wait", "2"], "--wait requires --pid"),
                (["register", "--fd", "3"], "--collector"), (["frobnicate"], "frobnicate"),
                (["register", "--collector", "c1", "--fd", "x"], "'x'"), (["run"], "--config"),
                (["explain", "192.0.2.1.5"], "is not an IPv4 or IPv6 address"),
                (["unload", "--pool", "../x"], "not a path"),
                (["register", "--collector", "c1", "--listen-fds"], "LISTEN_FDS is not set"),
                (["run", "--confg", "c.yaml"], "there is no option --confg; did you mean --config?"),
                (["statsu"], "there is no command statsu; did you mean status?"),
                (["register", "--collector", "c1", "--pid", "-5"], "--pid takes no negative number, like -5"),
                (["register", "--collector", "c1", "--fd", "-1"], "--fd takes no negative number"),
                (["register", "--collector", "c1", "--pid", "1", "--wait", "-3"], "--wait takes no negative number"),
                (["demo", "--captures", "/nowhere"], "the folder /nowhere doesn't exist"),
                (["status", "--control", ""], "--control is empty"),
                (
                    ["status", "--control", String(repeating: "x", count: 108)],
                    "108 bytes, and a socket's has at most 107"
                ),
            ] {
                let result = try CommandResult.of(AgentUnderTest.program, arguments, in: sandbox)
                #expect(result.exitCode == 2, "\(arguments): \(result.errorOutput)")
                #expect(result.errorOutput.contains(text), "\(arguments): \(result.errorOutput)")
            }
        }
    }

    @Test func `an unprivileged user with access to the control socket registers; without access it is exit 6`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let open = "control_socket: {path: \(AgentFixture.controlPath), mode: \"0666\"}"
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, configuration: AgentFixture.configuration(extra: open))
            let sockets = try CollectorSockets("c1")
            let result = try agent.register("c1", [sockets.udp.number, sockets.tcp.number], user: 1_000)
            #expect(result.exitCode == 0, "\(result.errorOutput)")
            chmod(AgentFixture.controlPath, 0o600)
            let others = try CollectorSockets("c2")
            try Self.refuse(6, "may not be opened (EACCES)", "control_socket in the agent's configuration") {
                try agent.register("c2", [others.udp.number, others.tcp.number], user: 1_000)
            }
            chmod(AgentFixture.controlPath, 0o666)
            try Self.refuse(6, "belongs to another user") {
                try agent.command(["register", "--collector", "c2", "--pid", "1"], user: 1_000)
            }
        }
    }

    @Test func `commands without an agent are exit 3 and say how to start it`() async throws {
        try await Sandbox.run { sandbox in
            for arguments in [["status"], ["explain", "192.0.2.1"], ["unregister", "--collector", "c1"]] {
                let result = try CommandResult.of(AgentUnderTest.program, arguments, in: sandbox)
                #expect(result.exitCode == 3)
                #expect(
                    result.errorOutput.contains(
                        "no agent answers at /run/reuseport-agent/control.sock (ENOENT); start it"))
            }
            let unset = try CommandResult.of(
                AgentUnderTest.program, ["status"], in: sandbox, environment: ["REUSEPORT_AGENT_CONTROL": ""])
            #expect(unset.errorOutput.contains("no agent answers at /run/reuseport-agent/control.sock"))
            let elsewhere = try CommandResult.of(
                AgentUnderTest.program, ["status"], in: sandbox,
                environment: ["REUSEPORT_AGENT_CONTROL": "/run/other.sock"])
            #expect(elsewhere.errorOutput.contains("/run/other.sock"))
        }
    }
}
