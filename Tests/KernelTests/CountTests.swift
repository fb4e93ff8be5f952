import Glibc
import PoolModel
import PoolReport
import SockArrayCore
import TelemetryLab
import Testing

/// Counts over everything that may happen to collectors and agents.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF")) struct CountTests {
    private static let sources = (0..<UInt32(100)).map { IPAddress.v4(0x0a04_0000 + $0) }

    /// A small table: a debug build takes seconds for a large one.
    private static func pool(of names: [String]) -> PoolConfiguration {
        var configuration = PoolFixture.configuration(names)
        configuration.tableSize = 1_024
        return configuration
    }

    private static func membership(_ name: String, _ group: String, _ pool: PoolFixture) throws -> PoolStatus
        .Membership?
    {
        try pool.kernel.status().collectors.first { $0.name == name }?.groups[group]
    }

    /// A collector that reads nothing, and whose queue has room for some 10 datagrams.
    private static func small(_ pool: PoolFixture) throws -> [InternetSocket] {
        let sockets: [InternetSocket] = [
            try .collector(.udp, pool.address, port: PoolFixture.ipfixPort),
            try .collector(.tcp, pool.address, port: PoolFixture.bmpPort),
        ]
        try sockets[0].set(SOL_SOCKET, SO_RCVBUF, 4_096)
        return sockets
    }

    /// How many of so many datagrams of the one collector's the socket didn't take.
    private static func overflow(_ pool: PoolFixture, _ socket: InternetSocket, by count: Int) throws -> UInt64 {
        let sender = try InternetSocket(.udp, bind: sources[0])
        for _ in 0..<count {
            try sender.send([UInt8](repeating: 1, count: 100), to: PoolFixture.target(for: sources[0]), 4_739)
        }
        return UInt64(count - socket.receiveWaiting().count)
    }

    @Test
    func
        `collectors leave and come 5 times on one slot: the group's count is the 600 that were sent, each one's is its own`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(Self.pool(of: ["c1", "c2"]))
            var sent: UInt64 = 0
            for round in 0..<6 {
                let other = "c\(round + 2)"
                for source in Self.sources { try pool.send(from: source) }
                sent += 100
                let received = pool.takeReceived()
                let status = try pool.kernel.status()
                #expect(status.groups[0].outcomes.selected == sent)
                let present = try #require(status.collectors.first { $0.name == other })
                #expect(present.slot == 1 && present.groups["ipfix"]?.runs == UInt64(received[other]?.count ?? 0))
                #expect(present.groups["ipfix"]!.runs > 10)
                // A new agent says the same.
                try pool.restartAgent()
                #expect(try pool.kernel.status() == status)
                pool.stop(other)
                try pool.reload(Self.pool(of: ["c1"]))
                #expect(try pool.kernel.status().groups[0].outcomes.selected == sent)
                try pool.reload(Self.pool(of: ["c1", "c\(round + 3)"]))
                #expect(try Self.membership("c\(round + 3)", "ipfix", pool)?.runs == 0)
                try pool.start("c\(round + 3)")
            }
            #expect(try Self.membership("c1", "ipfix", pool)!.runs > 150)
        }
    }

    @Test func `drops of a collector's 3 sockets add up over a replace, a new agent and an unregistration`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(Self.pool(of: ["c1"]), registering: [])
            var sockets = [try Self.small(pool), try Self.small(pool), try Self.small(pool)]
            try pool.register("c1", sockets[0])
            var dropped = try Self.overflow(pool, sockets[0][0], by: 60)
            #expect(dropped > 20)
            // No reading since then: the drops are recorded when the socket leaves.
            try pool.register("c1", sockets[1], replacing: true)
            sockets[0] = []
            #expect(try Self.membership("c1", "ipfix", pool)?.drops == dropped)
            dropped += try Self.overflow(pool, sockets[1][0], by: 50)
            try pool.restartAgent()
            #expect(try Self.membership("c1", "ipfix", pool)?.drops == dropped)
            dropped += try Self.overflow(pool, sockets[1][0], by: 30)
            _ = try pool.kernel.unregister("c1")
            sockets[1] = []
            #expect(try Self.membership("c1", "ipfix", pool)?.drops == dropped)
            try pool.register("c1", sockets[2])
            #expect(try Self.membership("c1", "ipfix", pool)?.drops == dropped)
            dropped += try Self.overflow(pool, sockets[2][0], by: 40)
            _ = try pool.kernel.auditFacts(act: "look")
            sockets[2] = []
            // The audit has noted what the crashed one had.
            #expect(try Self.membership("c1", "ipfix", pool)?.drops == dropped)
            // Another name at the slot begins at 0.
            try pool.reload(Self.pool(of: ["c9"]))
            #expect(try Self.membership("c9", "ipfix", pool)?.drops == 0)
        }
    }

    @Test func `after a replace that is undone, the drops of the returning socket count once`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(Self.pool(of: ["c1"]), registering: [])
            let sockets = [try Self.small(pool), try Self.small(pool)]
            try pool.register("c1", sockets[0])
            var dropped = try Self.overflow(pool, sockets[0][0], by: 60)
            try pool.register("c1", sockets[1], replacing: true)
            dropped += try Self.overflow(pool, sockets[1][0], by: 60)
            try pool.register("c1", sockets[0], replacing: true)
            #expect(try Self.membership("c1", "ipfix", pool)?.drops == dropped)
            dropped += try Self.overflow(pool, sockets[0][0], by: 60)
            #expect(try Self.membership("c1", "ipfix", pool)?.drops == dropped)
        }
    }

    @Test func `the kernel counts connections that a listener with a full queue drops`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(Self.pool(of: ["c1"]), registering: [])
            let sockets = try Self.small(pool)
            try sockets[1].listen(backlog: 1)
            try pool.register("c1", sockets)
            var routers: [InternetSocket] = []
            for source in Self.sources.prefix(8) {
                let router = try InternetSocket(.tcp, bind: source)
                _ = fcntl(router.number, F_SETFL, O_NONBLOCK)
                try? router.connect(PoolFixture.target(for: source), PoolFixture.bmpPort)
                routers.append(router)
            }
            let hasDropped = try waitUntil(.seconds(10)) { try Self.membership("c1", "bmp", pool)!.drops > 0 }
            #expect(hasDropped)
            #expect(try Self.membership("c1", "ipfix", pool)?.drops == 0)
        }
    }
}
