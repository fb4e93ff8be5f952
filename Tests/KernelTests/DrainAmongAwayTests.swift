import Glibc
import PoolModel
import SockArrayCore
import TelemetryLab
import Testing
import TestSupport

/// Drains where some collector is away.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF")) struct DrainAmongAwayTests {
    /// A source whose ranks 1 and 2 are these.
    private static func source(of ranks: [String], _ pool: PoolFixture) throws -> IPAddress {
        try #require(
            (0..<UInt32(500)).map { IPAddress.v4(0x0a09_0000 + $0) }
                .first { try Array(pool.kernel.explain($0).ranks.prefix(2)) == ranks })
    }

    private static func noteLosses(_ pool: PoolFixture) throws {
        for slot in try pool.kernel.lostSlots(act: "test") {
            try pool.kernel.noteLoss(of: slot, hasEnded: false, act: "test")
        }
    }

    @Test func `while rank 2 is held, a draining rank 1 keeps its exporters; then rank 3 gets them`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(hold: .seconds(20))
            let source = try Self.source(of: ["c1", "c2"], pool)
            let ranks = try pool.kernel.explain(source).ranks
            pool.stop("c2")
            try Self.noteLosses(pool)
            _ = try pool.kernel.drain("c1")
            #expect(try Router(source).datagramGoes(pool) == "c1")
            #expect(try pool.kernel.progress(ofDraining: "c1").rows > 0)
            try PinnedMaps.letPass(.seconds(21), pool: "edge")
            try pool.kernel.releaseRows(act: "test")
            #expect(try Router(source).datagramGoes(pool) == ranks[2])
            #expect(try pool.kernel.progress(ofDraining: "c1").isEmpty)
            #expect(try pool.outcomes("ipfix").held == 0)
        }
    }

    @Test func `the hold of a rank 2 that never came starts with the drain, and nothing is dropped`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(hold: .seconds(20), registering: false)
            for name in ["c1", "c3", "c4"] { try pool.start(name) }
            let source = try Self.source(of: ["c1", "c2"], pool)
            let ranks = try pool.kernel.explain(source).ranks
            _ = try pool.kernel.drain("c1")
            #expect(try pool.kernel.status().collectors[1].state == "holding")
            #expect(try Router(source).datagramGoes(pool) == "c1")
            try PinnedMaps.letPass(.seconds(21), pool: "edge")
            try pool.kernel.releaseRows(act: "test")
            #expect(try Router(source).datagramGoes(pool) == ranks[2])
            #expect(try pool.outcomes("ipfix").held == 0)
        }
    }

    @Test func `a draining collector without another keeps its exporters until another registers`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(collectors: ["c1", "c2"], hold: .milliseconds(50))
            let source = try Self.source(of: ["c1", "c2"], pool)
            pool.stop("c2")
            try Self.noteLosses(pool)
            usleep(80_000)
            _ = try pool.kernel.drain("c1")
            #expect(try Router(source).datagramGoes(pool) == "c1")
            try pool.start("c2")
            #expect(try Router(source).datagramGoes(pool) == "c2")
            #expect(try pool.kernel.progress(ofDraining: "c1").isEmpty)
        }
    }

    @Test func `rows that wait for a collector that is down wait in the next table, too, and its slot is free later`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(collectors: ["c1", "c2"], hold: .milliseconds(50))
            pool.stop("c1")
            try Self.noteLosses(pool)
            usleep(80_000)
            var configuration = pool.kernel.configuration
            configuration.collectors.removeLast()
            try pool.reload(configuration)
            let sources = (0..<UInt32(50)).map { IPAddress.v4(0x0a09_0000 + $0) }
            for round in 0..<3 {
                for source in sources { #expect(try Router(source).datagramGoes(pool) == "c2", "\(round)") }
                configuration.exporters = [
                    .init(name: "alias \(round)", prefixes: sources.prefix(3).map(AddressPrefix.init))
                ]
                try pool.reload(configuration)
            }
            try pool.start("c1")
            for source in sources { #expect(try Router(source).datagramGoes(pool) == "c1") }
            #expect(try pool.kernel.status().collectors.map(\.name) == ["c1"])
        }
    }

    @Test func `a drain keeps datagrams with a session older than the program, also in the next table`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(collectors: ["c1", "c2"], hold: .milliseconds(50), registering: false)
            let source = try Self.source(of: ["c1", "c2"], pool)
            let udp = try InternetSocket.collector(.udp, .v4(0), port: PoolFixture.ipfixPort)
            let tcp = try InternetSocket.collector(.tcp, .v4(0), port: PoolFixture.bmpPort)
            let router = try InternetSocket(.tcp, bind: source)
            try router.connect(.v4(0x7f00_0001), PoolFixture.bmpPort)
            let session = tcp.acceptSessions()
            try pool.register("c1", [udp, tcp])
            try pool.start("c2")
            func reaches() throws -> Bool {
                try pool.send(from: source)
                _ = pool.takeReceived()
                return udp.receiveWaiting().map(\.source) == [source]
            }
            _ = try pool.kernel.drain("c1")
            #expect(try reaches())
            var configuration = pool.kernel.configuration
            configuration.exporters = [.init(name: "another", prefixes: [AddressPrefix(.v4(0x0a0b_0000))])]
            try pool.reload(configuration)
            #expect(try reaches())
            try pool.restartAgent()
            #expect(try reaches())
            #expect(session.count == 1)
        }
    }

    @Test
    func `with four ranks down, a draining stand-in keeps its session's datagrams, and undrain brings them back`()
        async throws
    {
        try await Sandbox.run { _ in
            let names = (1...6).map { "c\($0)" }
            let pool = try PoolFixture(collectors: names, hold: .milliseconds(50))
            let source = IPAddress.v4(0x0a09_0001)
            let ranks = try pool.kernel.explain(source).ranks
            #expect(ranks.count == 4)
            for name in ranks { pool.stop(name) }
            try Self.noteLosses(pool)
            usleep(80_000)
            let router = Router(source)
            try router.connect(pool)
            let first = try #require(router.collector)
            let second = try #require(names.first { !ranks.contains($0) && $0 != first })
            #expect(!ranks.contains(first))
            let change: (Pool, String) throws -> Bool = { try $0.drain($1) }
            let back: (Pool, String) throws -> Bool = { try $0.undrain($1) }
            for (act, from, to) in [(change, first, second), (back, second, first)] {
                _ = try act(pool.kernel, first)
                #expect(router.collector == from)
                #expect(try router.datagramGoes(pool) == from)
                #expect(try pool.kernel.explain(source).collector == from)
                router.disconnect()
                try pool.kernel.releaseRows(act: "test")
                #expect(try router.datagramGoes(pool) == to)
                try router.connect(pool)
                #expect(router.collector == to)
            }
        }
    }

    @Test(arguments: [Assignment.roundRobin, .kernel])
    func `without affinity a drain and a replacement still see the sessions`(assignment: Assignment)
        async throws
    {
        try await Sandbox.run { _ in
            var configuration = PoolFixture.configuration(["c1", "c2"])
            configuration.assignment = assignment
            let pool = try PoolFixture(configuration)
            let routers = (0..<UInt32(30)).map { Router(.v4(0x0a09_0000 + $0)) }
            for router in routers { try router.connect(pool) }
            let own = routers.filter { $0.collector == "c1" }
            #expect(own.count > 3 && own.count < 27)
            try pool.reload(configuration)
            #expect(!pool.kernel.isWaiting)
            _ = try pool.kernel.drain("c1")
            #expect(try pool.kernel.progress(ofDraining: "c1").sessions == own.count)
            #expect(try pool.replace("c1").predecessor?.cookies.count == 2 + own.count)
            for router in own { router.disconnect() }
            #expect(try pool.kernel.progress(ofDraining: "c1").isEmpty)
        }
    }
}
