import Testing

@testable import PoolModel

@Suite struct RegistrationPlanTests {
    private static let groups = [
        ReuseportGroup(name: "ipfix", transport: .udp, address: .v4(0), port: 4739),
        ReuseportGroup(name: "bmp", transport: .tcp, address: .v4(0), port: 1790),
    ]
    private static let udp = SocketFacts(kind: .udp, address: .v4(0), port: 4739, cookie: 10)
    private static let tcp = SocketFacts(kind: .tcp, address: .v4(0), port: 1790, isListening: true, cookie: 20)

    private func plan(
        _ sockets: [SocketFacts], cookies: [[SocketEntry: UInt64]] = [[:], [:]], ownerIsGone: Bool = false,
        ownerPid: Int32? = nil, departed: [Slot: String] = [:], sockets members: [[BoundSocket]] = []
    ) throws(RegistrationPlan.Refusal) -> RegistrationPlan {
        try RegistrationPlan(
            collector: "c1", slot: Slot(0),
            offers: sockets.enumerated().map { .init(label: "fd \($0.offset + 3)", socket: $0.element) },
            groups: Self.groups,
            occupancy: .init(
                cookies: cookies, ownerIsGone: ownerIsGone,
                names: [Slot(0): "c1", Slot(1): "c2"].merging(departed) { $1 }, departed: Set(departed.keys),
                owner: ownerPid.map { ProcessIdentity(pid: $0, startTime: 1) }, sockets: members))
    }

    private func refusal(_ body: () throws(RegistrationPlan.Refusal) -> RegistrationPlan) -> RegistrationPlan.Refusal? {
        do {
            _ = try body()
            return nil
        } catch { return error }
    }

    @Test func `two sockets in any order go to their two groups`() throws {
        let plan = try plan([Self.tcp, Self.udp])
        #expect(plan.placements.map { [$0.group, $0.socket] } == [[0, 1], [1, 0]])
        #expect(plan.placements.allSatisfy { !$0.isPresent })
    }

    @Test func `a registered socket is present, and may come under two descriptors`() throws {
        let plan = try plan([Self.udp, Self.tcp, Self.udp], cookies: [[SocketEntry(index: 0): 10], [:]])
        #expect(plan.placements.map(\.isPresent) == [true, false])
    }

    @Test func `a collector with one socket is incomplete, unless the other one is registered`() throws {
        let refused = refusal { () throws(RegistrationPlan.Refusal) in try plan([Self.tcp]) }
        guard case .incomplete(let failure) = refused else {
            Issue.record("\(String(describing: refused))")
            return
        }
        #expect(failure.kind == .unfitSocket)
        #expect(failure.description.contains("it has no socket for group ipfix (udp 0.0.0.0:4739)"))
        #expect(failure.description.contains("--wait 30"))
        let completed = try plan([Self.tcp], cookies: [[SocketEntry(index: 0): 99], [:]])
        #expect(completed.placements.count == 1)
    }

    @Test func `a slot held by another live socket is a conflict, an orphan's is not`() throws {
        let held: [[SocketEntry: UInt64]] = [[SocketEntry(index: 0): 77], [:]]
        let refused = refusal { () throws(RegistrationPlan.Refusal) in try plan([Self.udp, Self.tcp], cookies: held) }
        #expect(refused?.failure.kind == .conflict)
        let text = "registered with another live socket in group ipfix (cookie 77)"
        #expect(refused?.failure.description.contains(text) == true)
        #expect(try plan([Self.udp, Self.tcp], cookies: held, ownerIsGone: true).placements.count == 2)
        let owned = refusal { () throws(RegistrationPlan.Refusal) in
            try plan([Self.udp, Self.tcp], cookies: held, ownerPid: 812)
        }
        let owner = "another live socket in group ipfix (of process 812, cookie 77)"
        #expect(owned?.failure.description.contains(owner) == true)
    }

    @Test func `a socket of another slot is a conflict that names its collector`() {
        let refused = refusal { () throws(RegistrationPlan.Refusal) in
            try plan([Self.udp, Self.tcp], cookies: [[SocketEntry(index: 1): 10], [:]])
        }
        #expect(refused?.failure.kind == .conflict)
        #expect(refused?.failure.description.contains("is registered as c2") == true)
    }

    @Test func `a socket of a collector that left is refused with its name and unregister as the remedy`() throws {
        let refused = refusal { () throws(RegistrationPlan.Refusal) in
            try plan([Self.udp, Self.tcp], cookies: [[:], [SocketEntry(index: 7): 20]], departed: [Slot(7): "c0"])
        }
        let failure = try #require(refused?.failure)
        #expect(failure.kind == .conflict)
        #expect(
            failure.cause == "fd 4 (tcp 0.0.0.0:1790) is still registered as c0, which left the configuration and is "
                + "draining")
        #expect(failure.remedy.hasPrefix("run: reuseport-agent unregister --collector c0, and repeat it at once"))
    }

    private static func udp(_ cookies: [UInt64], user: UInt32 = 0) -> [SocketFacts] {
        cookies.map { cookie in
            var socket = udp
            (socket.cookie, socket.user) = (cookie, user)
            return socket
        }
    }

    private static func workers(_ cookies: [Int: UInt64]) -> [SocketEntry: UInt64] {
        Dictionary(uniqueKeysWithValues: cookies.map { (SocketEntry(Slot(0), worker: $0.key), $0.value) })
    }

    @Test func `several sockets of one group are workers, up to 64`() throws {
        let several = try plan(Self.udp([10, 11, 12]) + [Self.tcp])
        #expect(several.placements.map(\.entry.worker) == [0, 1, 2, 0] && several.spans == [3, 1])
        let most = try plan(Self.udp(Array(100..<164)) + [Self.tcp])
        #expect(most.spans == [64, 1])
        let refused = refusal { () throws(RegistrationPlan.Refusal) in
            try plan(Self.udp(Array(100..<165)) + [Self.tcp])
        }
        #expect(refused?.failure.description.contains("it has 65 sockets in group ipfix (udp 0.0.0.0:4739)") == true)
    }

    @Test func `workers of two users are refused`() {
        let refused = refusal { () throws(RegistrationPlan.Refusal) in
            try plan(Self.udp([10], user: 1) + Self.udp([11], user: 2) + [Self.tcp])
        }
        let text = "fd 3 belongs to user 1 and fd 4 to user 2, and both are sockets of group ipfix"
        #expect(refused?.failure.description.contains(text) == true)
    }

    @Test func `a further socket of the same process joins, another process's is a conflict or replaces all`() throws {
        let owner = ProcessIdentity(pid: 812, startTime: 1)
        func plan(of process: ProcessIdentity?, replacing: Bool = false) throws(RegistrationPlan.Refusal)
            -> RegistrationPlan
        {
            try RegistrationPlan(
                collector: "c1", slot: Slot(0),
                offers: (Self.udp([12, 13]) + [Self.tcp]).map { .init(label: "fd", socket: $0) },
                groups: Self.groups,
                occupancy: .init(
                    cookies: [Self.workers([0: 10, 1: 11]), Self.workers([0: 20])], ownerIsGone: false,
                    names: [Slot(0): "c1"], owner: owner), process: process, replacing: replacing)
        }
        let joined = try plan(of: owner)
        #expect(joined.placements.map(\.entry.worker) == [2, 3, 0] && joined.spans == [4, 1] && joined.removals == [])
        for process in [nil, ProcessIdentity(pid: 813, startTime: 2)] {
            let refused = refusal { () throws(RegistrationPlan.Refusal) in try plan(of: process) }
            #expect(refused?.failure.kind == .conflict)
            let replaced = try plan(of: process, replacing: true)
            #expect(replaced.placements.map(\.entry.worker) == [0, 1, 0] && replaced.spans == [2, 1])
            #expect(replaced.removals.map(\.cookie).sorted() == [10, 11])
        }
    }

    @Test func `a renewal closes gaps, and leaves a single socket where it is`() throws {
        let gaps = try plan(
            Self.udp([13, 14]) + [Self.tcp], cookies: [Self.workers([3: 13, 4: 14]), Self.workers([5: 20])])
        #expect(gaps.placements.map(\.entry.worker) == [0, 1, 5] && gaps.spans == [2, 6])
        #expect(gaps.placements.map(\.isMove) == [true, true, false] && gaps.freshPlacements.isEmpty)
        // A socket that isn't offered can't move.
        let partial = try plan(
            Self.udp([13]) + [Self.tcp], cookies: [Self.workers([3: 13, 4: 14]), Self.workers([0: 20])])
        #expect(partial.placements.map(\.entry.worker) == [0, 0] && partial.spans == [5, 1] && partial.removals == [])
    }

    struct Unfit: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let text: String
        let change: @Sendable (inout SocketFacts) -> Void
    }

    static let unfit: [Unfit] = [
        Unfit(testDescription: "AF_UNIX", text: "is a socket of domain 1, type 1, protocol 0") {
            $0.kind = .other(domain: 1, type: 1, protocol: 0)
        },
        Unfit(testDescription: "other netns", text: "lives in another network namespace") {
            $0.isInOurNamespace = false
        },
        Unfit(testDescription: "unbound", text: "is not bound") { $0.port = 0 },
        Unfit(
            testDescription: "other port",
            text: "is of no group of the pool, which has udp 0.0.0.0:4739, tcp 0.0.0.0:1790"
        ) {
            $0.port = 9_996
        },
        Unfit(testDescription: "other address", text: "(udp 127.0.0.1:4739) is of no group") {
            $0.address = .v4(0x7f00_0001)
        },
        Unfit(
            testDescription: "device",
            text: "is bound to interface eth2, which makes it a group of its own; the pool has udp 0.0.0.0:4739"
        ) {
            $0.interface = "eth2"
        },
        Unfit(testDescription: "no SO_REUSEPORT", text: "was bound without SO_REUSEPORT; set SO_REUSEPORT before bind")
        {
            $0.hasReuseport = false
        },
        Unfit(testDescription: "connected", text: "is connected to a peer") {
            $0.peer = .init(address: .v4(0xc000_0201), port: 4_000)
        },
    ]

    @Test(arguments: unfit)
    func `one unfit socket refuses all, with exit code 4`(unfit: Unfit) {
        var socket = Self.udp
        unfit.change(&socket)
        let refused = refusal { () throws(RegistrationPlan.Refusal) in try plan([Self.tcp, socket]) }
        #expect(refused?.failure.exitCode == 4)
        #expect(refused?.failure.description.hasPrefix("cannot register c1: fd 4 ") == true)
        #expect(refused?.failure.description.contains(unfit.text) == true, "\(String(describing: refused))")
    }

    @Test func `a TCP socket that doesn't listen is unfit`() {
        var socket = Self.tcp
        socket.isListening = false
        let refused = refusal { () throws(RegistrationPlan.Refusal) in try plan([Self.udp, socket]) }
        #expect(refused?.failure.description.contains("does not listen; call listen()") == true)
    }

    @Test func `a dual-stack wildcard group takes no IPv6-only socket`() {
        let group = ReuseportGroup(name: "six", transport: .udp, address: .v6(0, 0), port: 4739)
        var socket = SocketFacts(kind: .udp, address: .v6(0, 0), port: 4739, ipv6Only: true, cookie: 1)
        func fits(_ socket: SocketFacts) -> Bool {
            (try? RegistrationPlan.fittingGroup(for: .init(label: "fd 3", socket: socket), in: [group], act: "")) != nil
        }
        #expect(!fits(socket))
        socket.ipv6Only = false
        #expect(fits(socket))
    }

    private static func member(_ cookie: UInt64, user: UInt32) -> BoundSocket {
        BoundSocket(transport: .udp, address: .v4(0), port: 4739, cookie: cookie, inode: 70, user: user)
    }

    @Test func `a socket is refused if sockets of another user receive the group's traffic, and accepted otherwise`()
        throws
    {
        var own = Self.udp
        own.user = 1_001
        let cookies: [[SocketEntry: UInt64]] = [[SocketEntry(index: 1): 55], [:]]
        // The first member receives.
        let members = [[Self.member(55, user: 1_002), Self.member(10, user: 1_001)], []]
        let refused = refusal { () throws(RegistrationPlan.Refusal) in
            try plan([own, Self.tcp], cookies: cookies, sockets: members)
        }
        guard case .refused(let failure) = refused else {
            Issue.record("\(String(describing: refused))")
            return
        }
        #expect(failure.kind == .conflict)
        #expect(failure.description.contains("fd 3 (udp 0.0.0.0:4739) belongs to user 1001"))
        #expect(failure.description.contains("sockets of user 1002 (inode 70, collector c2's)"))
        let accepted = try plan([own, Self.tcp], cookies: cookies, sockets: [members[0].reversed(), []])
        #expect(accepted.placements.count == 2)
    }
}
