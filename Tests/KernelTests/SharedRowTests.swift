import Glibc
import PoolModel
import PoolReport
import TelemetryLab
import Testing
import TestSupport

/// Another table: exporters that shared a row don't any more, or the reverse.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF")) struct SharedRowTests {
    /// Few rows, so that exporters share them.
    private static func configuration() -> PoolConfiguration {
        var configuration = PoolFixture.configuration(["c1", "c2", "c3", "c4"])
        configuration.tableSize = 64
        return configuration
    }

    private static let addresses = (0..<UInt32(200)).map { IPAddress.v4(0x0a05_0000 + $0) }

    /// Two addresses with one bucket.
    private static func mates() throws -> (IPAddress, IPAddress) {
        let table = AssignmentTable(configuration())
        let first = addresses[0]
        return (first, try #require(addresses.dropFirst().first { table.row(of: $0) == table.row(of: first) }))
    }

    private static func expectTogether(_ routers: [Router], _ pool: PoolFixture) throws {
        for router in routers {
            #expect(router.collector != nil)
            #expect(try router.datagramGoes(pool) == router.collector)
            #expect(try pool.kernel.explain(router.address).collector == router.collector)
        }
    }

    @Test func `removing a pin with a live session splits neither its exporter nor the other one of the bucket`()
        async throws
    {
        try await Sandbox.run { _ in
            let configuration = Self.configuration()
            let (first, second) = try Self.mates()
            let owner = try #require(AssignmentPlan(configuration).owner(of: first))
            let elsewhere = configuration.collectors.map(\.name).first { $0 != owner }!
            let pool = try PoolFixture(configuration, pins: [Pin(exporter: "\(first)", collector: elsewhere)])
            let (pinned, mate) = (Router(first), Router(second))
            try pinned.connect(pool)
            try mate.connect(pool)
            #expect(pinned.collector == elsewhere && mate.collector == owner)
            try pool.reload(configuration)
            for _ in 0..<2 {
                try Self.expectTogether([pinned, mate], pool)
                #expect(try pool.kernel.explain(first).why == "session")
                #expect(try pool.kernel.explain(second).why == "owner")
                try pool.restartAgent()
            }
            pinned.disconnect()
            try pool.kernel.releaseRows(act: "test")
            try pinned.connect(pool)
            #expect(pinned.collector == owner)
            try Self.expectTogether([pinned, mate], pool)
            // The next table has no row of its own for it.
            try pool.reload(configuration)
            #expect(try PinnedMaps.read().content["rows"]!.count == 8 * 64)
            try Self.expectTogether([pinned, mate], pool)
        }
    }

    @Test func `two addresses that become one exporter each stay with their session's collector until it ends`()
        async throws
    {
        try await Sandbox.run { _ in
            var configuration = Self.configuration()
            let pool = try PoolFixture(configuration)
            let plan = AssignmentPlan(configuration)
            let other = try #require(Self.addresses.first { plan.owner(of: $0) != plan.owner(of: Self.addresses[0]) })
            let routers = [Router(Self.addresses[0]), Router(other)]
            for router in routers { try router.connect(pool) }
            configuration.exporters = [.init(name: "pe1", prefixes: routers.map { AddressPrefix($0.address) })]
            try pool.reload(configuration)
            try Self.expectTogether(routers, pool)
            let owner = AssignmentPlan(configuration).owner(of: other)
            for router in routers {
                router.disconnect()
                try pool.kernel.releaseRows(act: "test")
                try router.connect(pool)
                try Self.expectTogether(routers, pool)
            }
            #expect(routers.allSatisfy { $0.collector == owner })
        }
    }

    @Test func `a reshuffle of 200 exporters with sessions in 64 rows, and back, splits none`() async throws {
        try await Sandbox.run { _ in
            var configuration = Self.configuration()
            let pool = try PoolFixture(configuration)
            let routers = Self.addresses.map(Router.init)
            for router in routers { try router.connect(pool) }
            configuration.seed = "another"
            try pool.reload(configuration, reshuffle: true)
            try Self.expectTogether(routers, pool)
            let waiting = try routers.filter { try pool.kernel.explain($0.address).why == "session" }
            #expect(waiting.count > 100)
            for router in waiting.prefix(50) {
                router.disconnect()
                try pool.kernel.releaseRows(act: "test")
                try router.connect(pool)
                #expect(try pool.kernel.explain(router.address).why == "owner")
            }
            try Self.expectTogether(routers, pool)
            configuration.seed = Self.configuration().seed
            try pool.reload(configuration, reshuffle: true)
            try Self.expectTogether(routers, pool)
        }
    }
}
