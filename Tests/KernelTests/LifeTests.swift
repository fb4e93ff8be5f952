import Glibc
import PoolModel
import SockArrayCore
import TelemetryLab
import Testing
import TestSupport

/// Collectors and agents that come and go.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF")) struct LifeTests {
    private static let sources = (0..<UInt32(400)).map { IPAddress.v4(0x0a04_0000 + $0) }

    /// Collector by source, for those that were delivered.
    private static func deliver(_ pool: PoolFixture) throws -> [IPAddress: String] {
        var places: [IPAddress: String] = [:]
        for source in sources {
            try pool.send(from: source)
            for (name, received) in pool.takeReceived() { for source in received { places[source] = name } }
        }
        return places
    }

    @Test func `rows that wait for a collector still wait with the next agent, which changes nothing`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(PoolFixture.configuration(["c1", "c2", "c3"]), registering: ["c2", "c3"])
            usleep(400_000)
            try pool.reload(PoolFixture.configuration(["c1", "c2"]))
            usleep(400_000)
            try pool.reload(PoolFixture.configuration(["c1", "c2", "c3"]))
            usleep(400_000)
            pool.stop("c3")
            try pool.start("c3")
            usleep(400_000)
            for _ in 0..<2 {
                try pool.restartAgent()
                #expect(!pool.kernel.hasChangedRows)
            }
            try pool.restartAgent(with: PoolFixture.configuration(["c1", "c2"]))
            #expect(pool.kernel.hasChangedRows)
        }
    }

    @Test func `ten restarts of a collector never move the others' exporters, and its own return`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(hold: .seconds(10))
            let before = try Self.deliver(pool)
            #expect(before.count == 400)
            for _ in 0..<10 {
                pool.stop("c2")
                let meanwhile = try Self.deliver(pool)
                #expect(meanwhile == before.filter { $0.value != "c2" })
                try pool.start("c2")
                #expect(try Self.deliver(pool) == before)
            }
            #expect(try pool.outcomes("ipfix").failedOver == 0)
        }
    }

    @Test func `after the hold exporters go to rank 2 on both protocols, and later return`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(hold: ModelledPool.hold)
            let source = try #require(Self.sources.first { try pool.kernel.explain($0).collector == "c1" })
            let ranks = try pool.kernel.explain(source).ranks
            pool.stop("c1", keepingTCP: true)  // as nfacctd's print plugin keeps BMP
            try pool.send(from: source)
            #expect(try pool.kernel.explain(source).outcome == "held")
            #expect(try !pool.connect(from: source), "UDP is gone, so BMP is held too")
            try pool.endHolds()
            #expect(try pool.kernel.explain(source).collector == ranks[1])
            try pool.send(from: source)
            #expect(try pool.connect(from: source))
            #expect(pool.takeReceived()[ranks[1]] == [source])
            #expect(pool.takeAccepted()[ranks[1]] == [source])
            pool.stop("c1")
            try pool.start("c1")
            try pool.send(from: source)
            #expect(pool.takeReceived()["c1"] == [source])
            #expect(try pool.kernel.status().collectors[0].state == "active")
        }
    }

    @Test func `with more than 4 failed ranks any usable collector of 12 stands in`() async throws {
        try await Sandbox.run { _ in
            let names = (1...12).map { "c\($0)" }
            let pool = try PoolFixture(collectors: names, hold: .zero)
            for name in names where name != "c7" { pool.stop(name) }
            let places = try Self.deliver(pool)
            #expect(places.count == 400)
            #expect(Set(places.values) == ["c7"])
            for source in Self.sources { #expect(try pool.kernel.explain(source).collector == "c7") }
        }
    }

    @Test func `unregister fails exporters over at once, without a hold`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(hold: .seconds(60))
            _ = try pool.kernel.unregister("c4")
            #expect(try pool.kernel.status().collectors[3].state == "failed")
            #expect(try Self.deliver(pool).count == 400)
            #expect(try pool.kernel.unregister("c4").changed == false)
            #expect(try pool.register("c4", [pool.udp["c4"]!, pool.tcp["c4"]!]).changed)
            #expect(try pool.kernel.status().collectors[3].state == "active")
        }
    }

    @Test func `a new agent adopts the pins, continues the counters and keeps every exporter in place`() async throws {
        try await Sandbox.run { _ in
            var pool: PoolFixture? = try PoolFixture()
            let before = try Self.deliver(pool!)
            let maps = try PinnedMaps.read()
            let sockets = (pool!.udp, pool!.tcp)
            pool = nil
            let adopted = try Pool(adopting: PoolFixture.configuration(["c4", "c3", "c2", "c1"]))
            #expect(try PinnedMaps.read() == maps)
            #expect(try adopted.status().groups[0].outcomes.selected == 400)
            #expect(try adopted.status().collectors.allSatisfy { $0.state == "active" })
            for (source, name) in before { #expect(try adopted.explain(source).collector == name) }
            _ = sockets
        }
    }

    @Test func `a collector that left the configuration loses its slot, and the group keeps its counts`() async throws {
        try await Sandbox.run { _ in
            var pool: PoolFixture? = try PoolFixture()
            _ = try Self.deliver(pool!)
            let sockets = (pool!.udp, pool!.tcp)
            pool = nil
            var adopted: Pool? = try Pool(adopting: PoolFixture.configuration(["c1", "c3", "c4"]))
            let status = try adopted!.status()
            #expect(status.groups[0].outcomes.selected == 400)
            #expect(status.collectors.map(\.slot) == [0, 2, 3])
            for source in Self.sources { #expect(try adopted!.explain(source).collector != "c2") }
            adopted = nil
            adopted = try Pool(adopting: PoolFixture.configuration(["c1", "c3", "c4", "c9"]))
            #expect(try adopted!.status().collectors.map(\.slot) == [0, 2, 3, 1])
            #expect(try adopted!.status().collectors[3].groups["ipfix"]?.runs == 0)
            _ = sockets
        }
    }

    @Test func `with all 256 slots taken a new name inherits a freed slot, and no row names it earlier`() async throws {
        try await Sandbox.run { _ in
            var names = (0..<256).map { "c\($0)" }
            var kernel: Pool? = try Pool(adopting: PoolFixture.configuration(names))
            let slot = try kernel!.status().collectors[7].slot
            kernel = nil
            names[7] = "heir"
            kernel = try Pool(adopting: PoolFixture.configuration(names))
            let heir = try kernel!.status().collectors[7]
            #expect(heir.name == "heir" && heir.slot == slot && heir.state == "empty")
            #expect(heir.share > 0.003 && heir.share < 0.005)
            let maps = try PinnedMaps.read()
            #expect(maps.rowsWithAnotherOwner == [])
            #expect(maps.slotsWithoutTenant.isEmpty)
        }
    }

    @Test func `the heir of a freed slot gets it at once, although its collector lives and the next rank is held`()
        async throws
    {
        try await Sandbox.run { _ in
            var configuration = PoolFixture.configuration((0..<256).map { "c\($0)" }, .v4(0), .seconds(30))
            let pool = try PoolFixture(configuration, registering: ["c7", "c8"])
            let source = try #require(
                (0..<UInt32(20_000)).map { IPAddress.v4(0x0a00_0001 + $0) }
                    .first { try pool.kernel.explain($0).ranks.first == "c7" })
            #expect(try Router(source).datagramGoes(pool) == "c7")
            configuration.collectors[7] = .init(name: "heir")
            try pool.reload(configuration)
            #expect(pool.kernel.interruption == nil)
            let heir = try pool.kernel.status().collectors[7]
            #expect(heir.name == "heir" && heir.state == "empty" && heir.groups["ipfix"]?.runs == 0)
            try pool.start("heir")
            #expect(try pool.kernel.status().collectors[7].state == "active")
        }
    }

    @Test func `only one agent at a time runs a pool`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(registering: false)
            let configuration = pool.kernel.configuration
            let second = #expect(throws: Failure.self) { try Pool(adopting: configuration) }
            #expect(second?.kind == .conflict)
            #expect(second?.description.contains("another agent runs pool edge") == true)
        }
    }

    @Test func `pins of an unknown layout are refused unchanged, and the refusal names unload`()
        async throws
    {
        try await Sandbox.run { _ in
            var pool: PoolFixture? = try PoolFixture()
            let configuration = pool!.kernel.configuration
            let sockets = (pool!.udp, pool!.tcp)
            pool = nil
            for layout: UInt64 in [2, 99] {
                try PinnedMaps.setLayoutVersion(layout)
                let maps = try PinnedMaps.read()
                let failure = try #require(throws: Failure.self) { try Pool(adopting: configuration) }
                #expect(failure.kind == .conflict && failure.cause.contains("its pins have layout \(layout)"))
                #expect(failure.remedy.contains("reuseport-agent unload --pool edge"))
                #expect(try PinnedMaps.read() == maps)
            }
            _ = sockets
        }
    }

    @Test func `another seed on a pool is refused and changes nothing`() async throws {
        try await Sandbox.run { _ in
            var pool: PoolFixture? = try PoolFixture()
            let sockets = (pool!.udp, pool!.tcp)
            pool = nil
            let maps = try PinnedMaps.read()
            var other = PoolFixture.configuration(["c1", "c2", "c3", "c4"])
            other.seed = "another"
            let refused = #expect(throws: Failure.self) { try Pool(adopting: other) }
            #expect(refused?.description.contains("another seed") == true)
            #expect(try PinnedMaps.read() == maps)
            _ = sockets
        }
    }
}
