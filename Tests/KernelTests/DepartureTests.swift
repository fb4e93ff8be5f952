import Glibc
import PoolModel
import TelemetryLab
import Testing
import TestSupport

/// What remains of removed collectors and groups, and of earlier collectors of the same slot.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF")) struct DepartureTests {
    private static func slot(_ name: String, _ pool: PoolFixture) throws -> Slot {
        Slot(UInt16(try #require(try pool.kernel.status().collectors.first { $0.name == name }).slot))
    }

    /// A router with a session at that collector.
    private static func router(at name: String, _ pool: PoolFixture) throws -> Router {
        let address = try #require(
            (0..<UInt32(200)).lazy.map { IPAddress.v4(0x0a0b_0000 + $0) }
                .first { try! pool.kernel.explain($0).collector == name })
        let router = Router(address)
        try router.connect(pool)
        #expect(router.collector == name)
        return router
    }

    private static func configuration(_ names: [String], extra ports: UInt16...) -> PoolConfiguration {
        var configuration = PoolFixture.configuration(names, .v4(0), .seconds(10))
        configuration.groups += ports.map {
            ReuseportGroup(name: "udp\($0)", transport: .udp, address: .v4(0), port: $0)
        }
        return configuration
    }

    @Test func `a slot's loss is reported once for each of the three collectors that it has in turn`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(collectors: ["c1", "c2"])
            let slot = try Self.slot("c2", pool)
            for (name, next) in [("c2", "c8"), ("c8", "c9"), ("c9", "c2")] {
                #expect(try Self.slot(name, pool) == slot)
                pool.stop(name)
                #expect(try pool.kernel.lostSlots(act: "test") == [slot])
                #expect(try pool.kernel.noteLoss(of: slot, hasEnded: false, act: "test"))
                #expect(try pool.kernel.lostSlots(act: "test") == [])
                try pool.reload(PoolFixture.configuration(["c1"]))
                try pool.reload(PoolFixture.configuration(["c1", next]))
                try pool.start(next)
            }
        }
    }

    @Test func `a removed collector that ends with its session frees its slot at once`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(hold: .seconds(10))
            let router = try Self.router(at: "c2", pool)
            let slot = try Self.slot("c2", pool)
            try pool.reload(PoolFixture.configuration(["c1", "c3", "c4"], .v4(0), .seconds(10)))
            #expect(try router.datagramGoes(pool) == "c2")
            #expect(try PinnedMaps.read().hasTenant(slot))
            router.disconnect()
            pool.stop("c2")
            try pool.kernel.noteLoss(of: slot, hasEnded: true, act: "test")
            #expect(try !PinnedMaps.read().hasTenant(slot))
            #expect(try router.datagramGoes(pool) != nil)
        }
    }

    /// The next group gets the number of the one that left, and its bit of each slot.
    @Test
    func `a removed collector keeps its session's exporter when a removed group's number is used again`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(hold: .seconds(10))
            try pool.reload(Self.configuration(["c1", "c2", "c3", "c4"], extra: 6_343))
            let sflow = try InternetSocket.collector(.udp, .v4(0), port: 6_343)
            try pool.register("c2", [pool.udp["c2"]!, pool.tcp["c2"]!, sflow])
            let router = try Self.router(at: "c2", pool)
            try pool.reload(Self.configuration(["c1", "c3", "c4"]))
            #expect(try router.datagramGoes(pool) == "c2")
            try pool.reload(Self.configuration(["c1", "c3", "c4"], extra: 2_055))
            Jiffies.pass()  // A run looks at other groups once a jiffy.
            #expect(try router.datagramGoes(pool) == "c2")
            #expect(try pool.outcomes("ipfix").held == 0)
            #expect(!router.isCut)
        }
    }

    @Test(arguments: ["the same agent", "reloaded"])
    func `a socket that a child inherited from an ended collector is an orphan, not a stranger`(manner: String)
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(collectors: ["c1", "c2"])
            let newcomer = try InternetSocket.collector(.udp, .v4(0), port: PoolFixture.ipfixPort)
            let before = try pool.kernel.strangers(act: "test")
            #expect(before.count == 1)
            try pool.kernel.noteLoss(of: Self.slot("c1", pool), hasEnded: true, act: "test")
            if manner == "reloaded" { try pool.reload(pool.kernel.configuration) }
            #expect(try pool.kernel.strangers(act: "test") == before)
            for socket in [pool.udp["c1"]!, pool.tcp["c1"]!] {
                #expect(pool.kernel.isOrphan(try PoolFixture.offer(socket.number).offer.socket))
            }
            for socket in [pool.udp["c2"]!, newcomer] {
                #expect(!pool.kernel.isOrphan(try PoolFixture.offer(socket.number).offer.socket))
            }
        }
    }
}

extension PinnedMaps {
    /// Whether the slot has a name.
    fileprivate func hasTenant(_ slot: Slot) -> Bool {
        let tenants = content["tenants"]!
        return tenants[Int(slot.index) * (tenants.count / SlotAllocation.capacity)] != 0
    }
}
