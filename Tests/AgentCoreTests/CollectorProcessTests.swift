import PoolModel
import Testing

@testable import AgentCore

/// What the agent says of a process that it can't register.
@Suite struct CollectorProcessTests {
    private static let groups = [
        ReuseportGroup(name: "ipfix", transport: .udp, address: .v4(0), port: 4739),
        ReuseportGroup(name: "bmp", transport: .tcp, address: .v4(0), port: 1790),
    ]
    private static let mptcp = SocketFacts(kind: .mptcp, address: .v4(0), port: 1790, isListening: true, cookie: 1)

    @Test func `a process with an MPTCP listener has a bound socket, and the text names MPTCP and its remedy`() {
        #expect(
            CollectorProcess.whatItHas([Self.mptcp])
                == "; it has tcp 0.0.0.0:1790 (MPTCP; a group needs TCP: set GODEBUG=multipathtcp=0)")
        #expect(CollectorProcess.whatItHas([]) == "; it has no bound socket at all")
    }

    @Test func `an MPTCP listener of a group without a TCP one is refused for good, with the address to bind`() throws {
        func failure(_ socket: SocketFacts, missing: [ReuseportGroup] = Self.groups) -> Failure? {
            CollectorProcess.listensByMPTCP(812, [socket], missing, act: "register c1")
        }
        let same = try #require(failure(Self.mptcp))
        #expect(same.cause.hasPrefix("the socket of process 812 for group bmp (tcp 0.0.0.0:1790) is an MPTCP listener"))
        #expect(same.remedy.hasSuffix("sysctl net.mptcp.enabled=0"))
        var dualStack = Self.mptcp
        dualStack.address = .v6(0, 0)
        let other = try #require(failure(dualStack))
        #expect(other.remedy.hasSuffix("; also let it bind the group's address, 0.0.0.0:1790"))
        #expect(failure(Self.mptcp, missing: [Self.groups[0]]) == nil, "it has a TCP listener, too")
        var elsewhere = Self.mptcp
        elsewhere.port = 80
        #expect(failure(elsewhere) == nil)
    }

    @Test func `a process without sockets of a group is named, so that a wrong pid is seen`() {
        let failure = CollectorProcess.hasNoMember(812, named: "bash", [], Self.groups, act: "register c1")
        #expect(
            failure.cause == "process 812 (bash) has no socket of udp 0.0.0.0:4739, tcp 0.0.0.0:1790; it has no bound "
                + "socket at all")
        #expect(failure.remedy.hasPrefix("check that it is the collector's process; "))
        #expect(failure.remedy.hasSuffix("--wait 30"))
    }

    @Test func `EPERM for a process of the agent's own user names setcap, and what works without CAP_SYS_PTRACE`() {
        let own = CollectorProcess.couldNotBorrow(812, ofUserOf: "the agent", errno: 1, act: "register c1")
        for word in ["setcap", "changed its user", "(EPERM)", "CAP_SYS_PTRACE", "AmbientCapabilities="] {
            #expect(own.description.contains(word), "\(own)")
        }
        let other = CollectorProcess.couldNotBorrow(812, ofUserOf: nil, errno: 1, act: "register c1")
        #expect(!other.description.contains("setcap") && other.remedy.contains("register --fd N"))
        #expect(own.exitCode == 6 && other.exitCode == 6)
    }

    @Test func `descriptors that the kernel kept back are told by the limit that was reached`() {
        func text(_ errno: Int32) -> String {
            "\(ControlService.descriptorsRefused(received: 3, errno: errno, act: "receive the passed sockets"))"
        }
        #expect(
            text(24) == "cannot receive the passed sockets: the kernel passed only 3 of the client's descriptors to "
                + "the agent: its limit of open files (RLIMIT_NOFILE) is reached (EMFILE); raise LimitNOFILE= of the "
                + "agent's unit (ulimit -n), and restart it")
        #expect(text(23).contains("the machine's limit of open files is reached (ENFILE); raise it: sysctl fs.file"))
        #expect(text(1).contains("(MSG_CTRUNC): a security module may refuse them (EPERM)"))
    }

    @Test func `after 10 searches for the same sockets, each tenth reads the command lines of all users`() {
        #expect((0..<31).filter(Discovery.examinesAllUsers) == Array(0..<10) + [10, 20, 30])
    }
}
