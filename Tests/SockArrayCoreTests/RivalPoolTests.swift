import PoolModel
import Testing

/// Other pools with the same groups, and sockets that a new pool finds.
@Suite struct RivalPoolTests {
    private static let ipfix = ReuseportGroup(name: "ipfix", transport: .udp, address: .v4(0), port: 4_739)
    private static let (here, there) = ("net:[4026531833]", "net:[4026532000]")

    private static func rival(_ presence: RivalPool.Presence, hasOwnSockets: Bool = false) -> RivalPool {
        RivalPool(
            pool: "a", bpffs: "/sys/fs/bpf/reuseport-agent", group: ipfix, presence: presence,
            hasOwnSockets: hasOwnSockets)
    }

    @Test func `another pool is here if a registered socket is, or its agent; elsewhere if these are elsewhere`() {
        func presence(
            _ registered: Set<UInt64>?, _ present: Set<UInt64>?, agent: String? = nil, own: String? = Self.here
        ) -> RivalPool.Presence { .init(registered: registered, present: present, agent: agent, own: own) }
        #expect(presence([1, 2, 3], [2, 3, 4]) == .here(sockets: 2, agentRuns: false))
        #expect(presence([], [4], agent: Self.here) == .here(sockets: 0, agentRuns: true))
        #expect(presence([1], [1], agent: Self.here) == .here(sockets: 1, agentRuns: true))
        #expect(presence([1], [4]) == .elsewhere)
        #expect(presence([1], []) == .elsewhere)
        #expect(presence([], [4], agent: Self.there) == .elsewhere)
        #expect(presence(nil, nil, agent: Self.there) == .elsewhere)
        // Nothing shows it.
        #expect(presence([], [4]) == .unknown)
        #expect(presence(nil, [4]) == .unknown)
        #expect(presence([1], nil) == .unknown)
        #expect(presence([], [], agent: Self.there, own: nil) == .unknown)
        #expect(presence([], [], agent: nil, own: nil) == .unknown)
    }

    @Test func `only a pool in this network namespace is refused, and not beside collectors of this pool`() {
        let present = Self.rival(.here(sockets: 4, agentRuns: true))
        let refusal = present.refusal(act: "run pool b")
        #expect(refusal?.exitCode == 5)
        #expect(
            refusal?.description
                == "cannot run pool b: group ipfix: pool a (pins in /sys/fs/bpf/reuseport-agent/a) has udp "
                + "0.0.0.0:4739, too, in this network namespace (its agent runs here; registered sockets: 4): the "
                + "agent that attaches its program last takes the traffic of both pools; give one of the pools "
                + "another address or port; only if pool a is no longer used, stop its agent and run: "
                + "reuseport-agent unload --pool a --bpffs /sys/fs/bpf/reuseport-agent")
        #expect(Self.rival(.here(sockets: 4, agentRuns: true), hasOwnSockets: true).refusal(act: "x") == nil)
        #expect(Self.rival(.unknown).refusal(act: "x") == nil && Self.rival(.elsewhere).refusal(act: "x") == nil)
        #expect(Self.rival(.elsewhere).problem == nil)
        #expect(Self.rival(.unknown).problem?.contains("nothing shows in which network namespace") == true)
    }

    @Test func `locks of flock(2) are read with their holder and file, without those that wait`() {
        let text = """
            1: FLOCK  ADVISORY  WRITE 25019 00:36:1 0 EOF
            1: -> FLOCK  ADVISORY  WRITE 25020 00:36:1 0 EOF
            2: POSIX  ADVISORY  WRITE 23769 fe:00:16581456 1073741824 1073742335
            3: FLOCK  ADVISORY  WRITE 23769 fe:10:16433166 0 EOF
            """
        #expect(
            FileLock.all(in: text) == [
                FileLock(pid: 25_019, device: "0:54", inode: 1),
                FileLock(pid: 23_769, device: "254:16", inode: 16_433_166),
            ])
    }

    @Test func `only members of the group are sockets that a new pool finds`() {
        func socket(_ address: IPAddress, _ user: UInt32, _ cookie: UInt64) -> BoundSocket {
            BoundSocket(transport: .udp, address: address, port: 4_739, cookie: cookie, user: user)
        }
        #expect(UnclaimedSockets(Self.ipfix, among: []) == nil)
        #expect(UnclaimedSockets(Self.ipfix, among: [socket(.v4(0x7f00_0001), 0, 1)]) == nil)
        let found = UnclaimedSockets(
            Self.ipfix, among: [socket(.v4(0), 990, 1), socket(.v4(0), 0, 2), socket(.v4(0x7f00_0001), 7, 3)])
        #expect(found?.count == 2 && found?.users == [0, 990])
        #expect(
            found?.problem.contains("udp 0.0.0.0:4739 has sockets already: 2, of user 0, 990 (the kernel gives all ")
                == true)
    }

    @Test func `the problem names collector_user if sockets of another user keep its sockets out`() {
        func text(_ users: [UInt32], _ expected: UInt32?) -> String {
            let sockets = users.enumerated().map { index, user in
                BoundSocket(
                    transport: .udp, address: .v4(0), port: 4_739, cookie: UInt64(index + 1), user: user)
            }
            return UnclaimedSockets(Self.ipfix, among: sockets, expectedUser: expected)?.problem ?? ""
        }
        let words =
            "collector_user is 998: while sockets of another user are bound there, sockets of user 998 can't be bound "
        #expect(text([0, 0], 998).contains(words) && text([0, 998], 998).contains(words))
        #expect(!text([998, 998], 998).contains("collector_user") && !text([0], nil).contains("collector_user"))
    }

    @Test func `the next step for sockets of a new pool depends on which collectors the agent recognizes`() {
        func remedy(_ recognitions: [Recognition?]) -> String {
            let collectors = recognitions.enumerated().map { index, recognition in
                PoolConfiguration.Collector(name: "c\(index + 1)", recognition: recognition)
            }
            return PoolConfiguration(pool: "edge", collectors: collectors, groups: []).remedyForUnclaimedSockets
        }
        let command = "reuseport-agent register --collector NAME --pid PID"
        #expect(remedy([nil, nil]) == "register each collector: \(command)")
        #expect(
            remedy([.user(7), nil]) == "register each collector that the agent doesn't recognize by itself: \(command)")
        #expect(remedy([.user(7), .user(8)]).hasPrefix("the agent registers the collectors that it recognizes"))
    }
}
