import PoolModel
import PoolReport
import SockArrayCore
import TelemetryLab
import Testing

/// When the program comes to a group: see `GroupClaim`.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF")) struct NewGroupTests {
    private static let sflow = ReuseportGroup(name: "sflow", transport: .udp, address: .v4(0), port: 6_343)

    private static func send(_ count: UInt32 = 40, to port: UInt16 = sflow.port) throws {
        for index in 0..<count {
            try? InternetSocket(.udp, bind: .v4(0x0a08_0000 + index)).send([1], to: .v4(0x7f00_0001), port)
        }
    }

    private static func received(_ sockets: [InternetSocket]) -> [Int] { sockets.map { $0.receiveWaiting().count } }

    private static func group(_ pool: Pool) throws -> DeliveryFacts.Group {
        try #require(try pool.deliveryFacts(act: "test").groups.first { $0.group == sflow })
    }

    private static func addGroup(to pool: PoolFixture) throws {
        var configuration = pool.kernel.configuration
        configuration.groups.append(sflow)
        try pool.reload(configuration)
    }

    @Test func `a group that a reload adds keeps a running port's traffic there until a collector registers`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(collectors: ["c1", "c2"])
            let running = try (0..<2).map { _ in try InternetSocket.collector(.udp, .v4(0), port: Self.sflow.port) }
            try Self.addGroup(to: pool)
            func staysThere() throws {
                try Self.send()
                #expect(Self.received(running).reduce(0, +) == 40)
                #expect(
                    try Self.group(pool.kernel)
                        == .init(Self.sflow, isAttached: false, hadCollector: false, otherSockets: 2))
                #expect(try pool.kernel.deliveryFacts(act: "test").losses == [])
            }
            try staysThere()
            _ = try pool.kernel.auditFacts(act: "test")
            try pool.reload(pool.kernel.configuration)
            try staysThere()
            try pool.restartAgent()
            try staysThere()
            #expect(try pool.kernel.status().groups.map(\.outcomes.total).last == 0, "no run of the program")
            // The first registration brings the program, and the other group's collectors are passed over.
            try pool.register("c1", [pool.udp["c1"]!, pool.tcp["c1"]!, running[0]])
            #expect(try Self.group(pool.kernel) == .init(Self.sflow))
            try Self.send()
            #expect(Self.received(running) == [40, 0])
            // From then on it stays, without any collector and with another agent.
            _ = try pool.kernel.unregister("c1")
            try pool.restartAgent()
            #expect(try Self.group(pool.kernel).isAttached)
            try Self.send()
            #expect(Self.received(running) == [0, 0])
        }
    }

    @Test func `a group whose only collector was unregistered before it received anything stays the pool's`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(collectors: ["c1"])
            let running = try InternetSocket.collector(.udp, .v4(0), port: Self.sflow.port)
            try Self.addGroup(to: pool)
            try pool.register("c1", [pool.udp["c1"]!, pool.tcp["c1"]!, running])
            _ = try pool.kernel.unregister("c1")
            for _ in 0..<2 {
                try pool.restartAgent()
                #expect(try Self.group(pool.kernel) == .init(Self.sflow))
                #expect(pool.kernel.placeholderNumbers.count == 3)
            }
            try Self.send()
            #expect(Self.received([running]) == [0])
        }
    }

    @Test func `IPv4 of a running dual-stack socket stays there although a reload adds 0.0.0.0`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(collectors: ["c1"])
            let running = try InternetSocket.collector(.udp, .v6(0, 0), port: Self.sflow.port)
            try Self.addGroup(to: pool)
            try Self.send()
            #expect(Self.received([running]) == [40])
            #expect(try Self.group(pool.kernel).otherSockets == 1)
        }
    }

    @Test func `where no socket is bound, an added group has the agent's own at once, and keeps its program`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(collectors: ["c1"])
            try Self.addGroup(to: pool)
            #expect(pool.kernel.placeholderNumbers.count == 3)
            #expect(try Self.group(pool.kernel) == .init(Self.sflow, hadCollector: false))
            // The audit's probe is the trace that the program has been there.
            _ = try pool.kernel.auditFacts(act: "test")
            let late = try InternetSocket.collector(.udp, .v4(0), port: Self.sflow.port)
            try pool.restartAgent()
            #expect(pool.kernel.placeholderNumbers.count == 3)
            try Self.send()
            #expect(Self.received([late]) == [0])
            #expect(try pool.outcomes("sflow").noCollector == 40)
            #expect(try pool.kernel.deliveryFacts(act: "test").losses == [.group(Self.sflow)])
        }
    }

    @Test func `with collector_user a fresh pool takes no running port's traffic before the first registration`()
        async throws
    {
        try await Sandbox.run { _ in
            let udp = try InternetSocket.collector(.udp, .v4(0), port: PoolFixture.ipfixPort)
            let tcp = try InternetSocket.collector(.tcp, .v4(0), port: PoolFixture.bmpPort)
            var configuration = PoolFixture.configuration(["c1"])
            configuration.collectorUser = 0
            let pool = try PoolFixture(configuration, registering: [])
            #expect(pool.kernel.placeholderNumbers.isEmpty)
            try Self.send(to: PoolFixture.ipfixPort)
            #expect(Self.received([udp]) == [40])
            #expect(try pool.kernel.deliveryFacts(act: "test").groups.map(\.otherSockets) == [1, 1])
            try pool.register("c1", [udp, tcp])
            #expect(pool.kernel.placeholderNumbers.count == 2)
            #expect(try pool.kernel.deliveryFacts(act: "test").groups.allSatisfy { $0.isAttached && $0.hadCollector })
            try Self.send(to: PoolFixture.ipfixPort)
            #expect(Self.received([udp]) == [40])
        }
    }

    @Test func `exporters of an absent collector are lost while the only usable one drains, and that is reported`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(collectors: ["c1", "c2"], hold: ModelledPool.hold)
            _ = try pool.kernel.drain("c2")
            #expect(try pool.kernel.deliveryFacts(act: "test").losses == [])
            pool.stop("c1")
            for slot in try pool.kernel.lostSlots(act: "test") {
                try pool.kernel.noteLoss(of: slot, hasEnded: false, act: "test")
            }
            try pool.endHolds()
            try pool.kernel.releaseRows(act: "test")
            let facts = try pool.kernel.deliveryFacts(act: "test")
            #expect(facts.losses == [.exporters] && !facts.canFailOver("c1"))
            try Self.send(to: PoolFixture.ipfixPort)
            let lost = try pool.outcomes("ipfix").noCollector
            #expect(lost == 40 && pool.takeReceived().values.allSatisfy(\.isEmpty))
        }
    }
}
