import Glibc
import PoolModel
import TelemetryLab
import Testing
import TestSupport

/// An established session can't be moved: rows wait for its end.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF")) struct SessionTests {
    private static func routers(_ count: UInt32, _ pool: PoolFixture) throws -> [Router] {
        try (0..<count).map { index in
            let router = Router(.v4(0x0a05_0000 + index))
            try router.connect(pool)
            return router
        }
    }

    /// Both streams of a router are at one collector.
    private static func expectTogether(_ routers: [Router], _ pool: PoolFixture) throws {
        for router in routers {
            #expect(router.collector != nil)
            #expect(try router.datagramGoes(pool) == router.collector)
        }
    }

    private static func end(_ router: Router, _ pool: PoolFixture) throws {
        router.disconnect()
        try pool.kernel.releaseRows(act: "test")
    }

    @Test(arguments: [Assignment.rendezvous, .maglev])
    func `a fifth collector splits none of 60 exporters: those with a session move when it ends, others at once`(
        assignment: Assignment
    ) async throws {
        try await Sandbox.run { _ in
            var configuration = PoolFixture.configuration(["c1", "c2", "c3", "c4"])
            configuration.assignment = assignment
            let pool = try PoolFixture(configuration)
            let routers = try Self.routers(60, pool)
            configuration.collectors.append(.init(name: "c5"))
            try pool.reload(configuration)
            try Self.expectTogether(routers, pool)
            try pool.start("c5")
            try Self.expectTogether(routers, pool)
            var movers = 0
            for router in routers {
                let explanation = try pool.kernel.explain(router.address)
                #expect(explanation.collector == router.collector)
                let owner = explanation.ranks[0]
                #expect(explanation.why == (owner == router.collector ? "owner" : "session"), "\(explanation)")
                if owner != router.collector { movers += 1 }
                try Self.end(router, pool)
                #expect(try router.datagramGoes(pool) == owner)
                try router.connect(pool)
                #expect(router.collector == owner)
                #expect(try pool.kernel.explain(router.address).why == "owner")
            }
            #expect(movers > 3, "\(movers)")
            // Without a session: moved already.
            let others = (0..<100).map { IPAddress.v4(0x0a06_0000 + $0) }
            for other in others { #expect(try pool.kernel.explain(other).why == "owner") }
        }
    }

    @Test func `failback: a session opened at the next rank keeps both streams there until it ends`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(hold: .milliseconds(100))
            let sources = (0..<UInt32(200)).map { IPAddress.v4(0x0a05_0000 + $0) }
                .filter { try! pool.kernel.explain($0).collector == "c1" }
            pool.stop("c1")
            try pool.send(from: sources[0])
            usleep(150_000)
            let routers = sources.prefix(20).map(Router.init)
            for router in routers { try router.connect(pool) }
            #expect(!routers.contains { $0.collector == "c1" })
            try pool.start("c1")
            try Self.expectTogether(Array(routers), pool)
            // Rows are what moves: one that shares a router's waits with it.
            let buckets = try Set(routers.map { try pool.kernel.explain($0.address).bucket })
            for source in sources.dropFirst(20) where try !buckets.contains(pool.kernel.explain(source).bucket) {
                let explanation = try pool.kernel.explain(source)
                #expect(explanation.collector == "c1", "\(explanation)")
            }
            for router in routers {
                #expect(try pool.kernel.explain(router.address).why == "session")
                try Self.end(router, pool)
                try router.connect(pool)
                #expect(router.collector == "c1")
            }
            try Self.expectTogether(Array(routers), pool)
        }
    }

    @Test func `explain names a collector that left the configuration until its session ends`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture()
            let router = try Self.routers(1, pool)[0]
            let owner = try #require(router.collector)
            let others = ["c1", "c2", "c3", "c4"].filter { $0 != owner }
            try pool.reload(PoolFixture.configuration(others))
            let explanation = try pool.kernel.explain(router.address)
            #expect(explanation.collector == owner && explanation.why == "session")
            try Self.end(router, pool)
            #expect(try others.contains(pool.kernel.explain(router.address).collector ?? "nobody"))
        }
    }

    @Test func `a session of one alias address keeps the datagrams of the others`() async throws {
        try await Sandbox.run { _ in
            var configuration = PoolFixture.configuration(["c1", "c2"])
            configuration.exporters = (0..<20).map { index in
                .init(
                    name: "pe\(index)",
                    prefixes: [
                        AddressPrefix(.v4(0x0a05_0000 + UInt32(index))),
                        AddressPrefix(.v4(0x0a07_0000 + UInt32(index))),
                    ])
            }
            let pool = try PoolFixture(configuration)
            let routers = try Self.routers(20, pool)
            configuration.collectors += [.init(name: "c3"), .init(name: "c4")]
            try pool.reload(configuration)
            try pool.start("c3")
            try pool.start("c4")
            for (index, router) in routers.enumerated() {
                let other = Router(.v4(0x0a07_0000 + UInt32(index)))
                #expect(try other.datagramGoes(pool) == router.collector)
                try Self.end(router, pool)
                try router.connect(pool)
                #expect(try other.datagramGoes(pool) == router.collector)
            }
        }
    }

    @Test func `a new pin leaves a session and its datagrams in place until the session ends`() async throws {
        try await Sandbox.run { _ in
            var configuration = PoolFixture.configuration(["c1", "c2", "c3", "c4"])
            let pool = try PoolFixture(configuration)
            let router = try Self.routers(1, pool)[0]
            let elsewhere = ["c1", "c2", "c3", "c4"].first { $0 != router.collector }!
            configuration.exporters = [
                .init(name: "elephant", prefixes: [AddressPrefix(router.address)], collector: elsewhere)
            ]
            try pool.reload(configuration)
            try Self.expectTogether([router], pool)
            #expect(try pool.kernel.explain(router.address).why == "session")
            try Self.end(router, pool)
            try router.connect(pool)
            #expect(router.collector == elsewhere)
            try Self.expectTogether([router], pool)
        }
    }

    @Test func `after a kill while rows wait, the next agent has them waiting, too`() async throws {
        try await Sandbox.run { _ in
            var configuration = PoolFixture.configuration(["c1", "c2"])
            let pool = try PoolFixture(configuration)
            let routers = try Self.routers(30, pool)
            configuration.collectors.append(.init(name: "c3"))
            try pool.reload(configuration)
            try pool.start("c3")
            let waiting = try routers.count { try pool.kernel.explain($0.address).why == "session" }
            #expect(waiting > 2)
            let maps = try PinnedMaps.read()
            try pool.restartAgent()
            #expect(try PinnedMaps.read().content["rows"] == maps.content["rows"])
            #expect(try routers.count { try pool.kernel.explain($0.address).why == "session" } == waiting)
            for router in routers { router.disconnect() }
            try pool.kernel.releaseRows(act: "test")
            #expect(try routers.allSatisfy { try pool.kernel.explain($0.address).why == "owner" })
        }
    }

    @Test(.enabled(if: Privilege.canEndSessions, "needs CAP_NET_ADMIN: sock_destroy"))
    func `on_move reset cuts old sessions, and both streams are at the new owner when the router returns`()
        async throws
    {
        try await Sandbox.run { _ in
            var configuration = PoolFixture.configuration(["c1", "c2"])
            configuration.onMove = .reset
            let pool = try PoolFixture(configuration)
            let routers = try Self.routers(40, pool)
            configuration.collectors.append(.init(name: "c3"))
            try pool.reload(configuration)
            let cut = routers.filter { $0.isCut }.count
            #expect(cut == 0, "c3 is not there yet")
            try pool.start("c3")
            for router in routers {
                let owner = try pool.kernel.explain(router.address).ranks[0]
                #expect(router.isCut == (owner != router.collector))
                if router.isCut { try router.connect(pool) }
                #expect(router.collector == owner)
            }
            try Self.expectTogether(routers, pool)
        }
    }

    @Test func `on_move immediate moves datagrams at once and leaves sessions`() async throws {
        try await Sandbox.run { _ in
            var configuration = PoolFixture.configuration(["c1", "c2"])
            configuration.onMove = .immediate
            let pool = try PoolFixture(configuration)
            let routers = try Self.routers(40, pool)
            configuration.collectors.append(.init(name: "c3"))
            try pool.reload(configuration)
            #expect(!pool.kernel.isWaiting)
            try pool.start("c3")
            for router in routers {
                let owner = try pool.kernel.explain(router.address).ranks[0]
                #expect(try router.datagramGoes(pool) == owner)
                #expect(!router.isCut)
            }
        }
    }

    @Test func `a removed collector keeps its slot until its sessions have ended`() async throws {
        try await Sandbox.run { _ in
            var configuration = PoolFixture.configuration(["c1", "c2", "c3"])
            let pool = try PoolFixture(configuration)
            let routers = try Self.routers(30, pool)
            configuration.collectors.removeLast()
            try pool.reload(configuration)
            try Self.expectTogether(routers, pool)
            let stayed = routers.filter { $0.collector == "c3" }
            #expect(stayed.count > 2)
            for router in stayed {
                #expect(try pool.kernel.explain(router.address).why == "session")
                router.disconnect()
            }
            try pool.kernel.releaseRows(act: "test")
            try pool.kernel.releaseRows(act: "test")
            for router in stayed {
                try router.connect(pool)
                #expect(router.collector != "c3" && router.collector != nil)
            }
            #expect(try PinnedMaps.read().content["tenants"]!.count { $0 == UInt8(ascii: "3") } == 0)
        }
    }

    @Test func `a reshuffle with 60 sessions splits no exporter`() async throws {
        try await Sandbox.run { _ in
            var configuration = PoolFixture.configuration(["c1", "c2", "c3", "c4"])
            let pool = try PoolFixture(configuration)
            let routers = try Self.routers(60, pool)
            configuration.seed = "another"
            try pool.reload(configuration, reshuffle: true)
            try Self.expectTogether(routers, pool)
            let movers = try routers.filter { try pool.kernel.explain($0.address).why == "session" }
            #expect(movers.count > 20)
            for router in movers {
                try Self.end(router, pool)
                try router.connect(pool)
                #expect(try pool.kernel.explain(router.address).why == "owner")
            }
            try Self.expectTogether(routers, pool)
        }
    }
}
