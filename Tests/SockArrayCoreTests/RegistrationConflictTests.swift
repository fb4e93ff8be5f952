import Testing

@testable import PoolModel

/// What a refused registration says of sockets and names that somebody else has, and of sockets of other kinds.
@Suite struct RegistrationConflictTests {
    private static let groups = [
        ReuseportGroup(name: "ipfix", transport: .udp, address: .v4(0), port: 4739),
        ReuseportGroup(name: "bmp", transport: .tcp, address: .v4(0), port: 1790),
    ]
    private static let udp = SocketFacts(kind: .udp, address: .v4(0), port: 4739, cookie: 10)
    private static let tcp = SocketFacts(kind: .tcp, address: .v4(0), port: 1790, isListening: true, cookie: 20)

    private static func process(_ pid: Int32) -> ProcessIdentity { ProcessIdentity(pid: pid, startTime: 1) }

    /// c2 is to be registered with sockets of cookies 10 and 20.
    private static func failure(
        _ sockets: [SocketFacts] = [udp, tcp], cookies: [[SocketEntry: UInt64]] = [[:], [:]],
        others: [Slot: ProcessIdentity] = [:], owner: ProcessIdentity? = nil, process: ProcessIdentity? = nil,
        departed: Set<Slot> = []
    ) -> Failure? {
        do {
            _ = try RegistrationPlan(
                collector: "c2", slot: Slot(1),
                offers: sockets.enumerated().map { .init(label: "fd \($0.offset + 3)", socket: $0.element) },
                groups: groups,
                occupancy: .init(
                    cookies: cookies, ownerIsGone: false, names: [Slot(0): "c1", Slot(1): "c2"], departed: departed,
                    owner: owner, others: others),
                process: process)
            return nil
        } catch { return error.failure }
    }

    @Test func `a wrong pid is told whose it is, and no remedy takes that collector out`() throws {
        let failure = try #require(
            Self.failure(
                cookies: [[SocketEntry(index: 0): 10], [SocketEntry(index: 0): 20]],
                others: [Slot(0): Self.process(811)],
                process: Self.process(811)))
        #expect(failure.exitCode == 5)
        #expect(failure.cause == "fd 3 (udp 0.0.0.0:4739) is registered as c1: process 811 is that collector")
        #expect(failure.remedy.contains("give the process of c2 itself"))
        #expect(!failure.remedy.contains("unregister"))
    }

    @Test func `a socket that two processes share is named as shared, with both pids, and isn't moved`() throws {
        let failure = try #require(
            Self.failure(
                cookies: [[SocketEntry(index: 0): 10], [:]], others: [Slot(0): Self.process(811)],
                process: Self.process(812)))
        #expect(failure.cause.contains("collector c1, whose process 811 shares it with process 812"))
        #expect(failure.remedy.contains("let each collector bind a socket of its own with SO_REUSEPORT"))
        #expect(!failure.remedy.contains("unregister"))
    }

    @Test func `a registered socket of an unknown process asks for a socket of the collector's own`() throws {
        let failure = try #require(Self.failure(cookies: [[SocketEntry(index: 0): 10], [:]]))
        #expect(failure.cause.hasSuffix("is registered as c1") && failure.remedy.contains("c2's own"))
        #expect(!failure.remedy.contains("unregister"))
    }

    @Test func `a departed collector's socket is unregistered by name, unless another process shares it`() throws {
        let cookies: [[SocketEntry: UInt64]] = [[SocketEntry(index: 0): 10], [:]]
        let own = try #require(
            Self.failure(
                cookies: cookies, others: [Slot(0): Self.process(811)], process: Self.process(811),
                departed: [Slot(0)]))
        #expect(own.remedy.hasPrefix("run: reuseport-agent unregister --collector c1, and repeat it at once"))
        let shared = try #require(
            Self.failure(
                cookies: cookies, others: [Slot(0): Self.process(811)], process: Self.process(812),
                departed: [Slot(0)]))
        #expect(shared.cause.contains("shares it with process 812"))
    }

    @Test func `a name that a live process has is handed over by replace, which is never advised to end it`() throws {
        let failure = try #require(
            Self.failure(
                cookies: [[SocketEntry(index: 1): 77], [:]], owner: Self.process(812), process: Self.process(900)))
        #expect(failure.cause.contains("another live socket in group ipfix (of process 812, cookie 77)"))
        #expect(failure.remedy.hasPrefix("if you mean another collector, give its name with --collector; "))
        #expect(failure.remedy.hasSuffix("run: reuseport-agent replace --collector c2 --pid 900"))
        #expect(!failure.remedy.contains("stop the process"))
    }

    @Test func `an MPTCP listener is named, with both remedies`() throws {
        var socket = Self.tcp
        socket.kind = .mptcp
        let failure = try #require(Self.failure([Self.udp, socket]))
        #expect(failure.exitCode == 4)
        #expect(failure.cause.hasPrefix("fd 4 (tcp 0.0.0.0:1790) is an MPTCP listener (protocol 262)"))
        #expect(failure.remedy.contains("GODEBUG=multipathtcp=0"))
        #expect(failure.remedy.contains("sysctl net.mptcp.enabled=0"))
    }

    @Test func `only a listener at the port of a TCP group counts as the MPTCP listener of that group`() {
        var socket = Self.tcp
        socket.kind = .mptcp
        #expect(Self.groups[1].hasMPTCPListener(socket) && !Self.groups[0].hasMPTCPListener(socket))
        #expect(!Self.groups[1].hasMPTCPListener(Self.tcp))
        socket.address = .v6(0, 0)
        #expect(Self.groups[1].hasMPTCPListener(socket), "also at another address: Go binds [::]")
        socket.isListening = false
        #expect(!Self.groups[1].hasMPTCPListener(socket))
    }

    @Test func `a link-local bind is told as such, without SO_BINDTODEVICE, which nobody called`() throws {
        let address = try #require(IPAddress("fe80::1"))
        let group = ReuseportGroup(name: "six", transport: .udp, address: .v6(0, 0), port: 4739)
        let socket = SocketFacts(kind: .udp, address: address, port: 4739, interface: "eth2", cookie: 1)
        let refused = #expect(throws: RegistrationPlan.Refusal.self) {
            try RegistrationPlan.fittingGroup(for: .init(label: "fd 3", socket: socket), in: [group], act: "")
        }
        let failure = try #require(refused?.failure)
        #expect(failure.cause.contains("has a link-local address, and therefore is bound to interface eth2"))
        #expect(failure.cause.hasSuffix("makes it a group of its own; the pool has udp [::]:4739"))
        #expect(!failure.description.contains("SO_BINDTODEVICE"))
    }

    @Test func `EBUSY names the pool that has the socket, or asks for the collector's own BPF program`() {
        let name = "fd 3 (udp 0.0.0.0:4739)"
        let pool = SocketHolder.pool("west", collector: "w1").failure(name, errno: 16, act: "register c2")
        let cause = "is registered in pool west as collector w1, and a socket can be in one pool only"
        #expect(pool.cause == "\(name) \(cause)")
        #expect(pool.description.contains("(EBUSY)"))
        #expect(pool.remedy.hasPrefix("if it belongs in this pool, unregister it there first: "))
        let other = SocketHolder.unknown.failure(name, errno: 16, act: "register c2")
        #expect(other.cause.contains("in the BPF map (sockarray) of another program"))
        for word in ["nfacctd_rp_ebpf_prog", "Akvorado", "bpftool map list"] {
            #expect(other.remedy.contains(word), "\(other.remedy)")
        }
        for failure in [pool, other] { #expect(!failure.remedy.contains("unload")) }
    }
}
