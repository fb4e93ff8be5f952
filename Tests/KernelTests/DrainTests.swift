import Glibc
import PoolModel
import TelemetryLab
import Testing

@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF")) struct DrainTests {
    private static func state(_ name: String, _ pool: PoolFixture) throws -> String {
        try pool.kernel.status().collectors.first { $0.name == name }!.state
    }

    @Test func `drain: exporters without a session move at once, others when it ends; undrain brings all back`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture()
            let sources = (0..<UInt32(300)).map { IPAddress.v4(0x0a09_0000 + $0) }
                .filter { try! pool.kernel.explain($0).collector == "c2" }
            let router = Router(sources[0])
            try router.connect(pool)
            #expect(router.collector == "c2")
            let ranks = try Dictionary(uniqueKeysWithValues: sources.map { ($0, try pool.kernel.explain($0).ranks) })

            #expect(try pool.kernel.drain("c2"))
            #expect(try !pool.kernel.drain("c2"))
            #expect(try Self.state("c2", pool) == "draining")
            #expect(try router.datagramGoes(pool) == "c2")
            for source in sources.dropFirst() {
                let meeting = try pool.meeting(of: source)
                #expect(meeting == (ranks[source]![1], ranks[source]![1]))
            }
            var progress = try pool.kernel.progress(ofDraining: "c2")
            #expect(progress.sessions == 1 && progress.rows == 1 && !progress.isEmpty)
            #expect(progress.longestSilent?.map(\.peer) == ["\(sources[0])"])
            var shown = try #require(try pool.kernel.status().collectors[1].drain)
            // The session has been silent for longer by now.
            #expect(shown.longestSilent![0].silentFor >= progress.longestSilent![0].silentFor)
            shown.longestSilent = progress.longestSilent
            #expect(shown == progress)

            // The drain outlives the agent.
            try pool.restartAgent()
            #expect(try Self.state("c2", pool) == "draining")
            #expect(try router.datagramGoes(pool) == "c2")
            router.disconnect()
            try pool.kernel.releaseRows(act: "test")
            progress = try pool.kernel.progress(ofDraining: "c2")
            #expect(progress.isEmpty)
            try router.connect(pool)
            #expect(router.collector == ranks[sources[0]]![1])

            #expect(try pool.kernel.undrain("c2"))
            #expect(try Self.state("c2", pool) == "active")
            for source in sources.dropFirst() {
                let meeting = try pool.meeting(of: source)
                #expect(meeting == ("c2", "c2"))
            }
            #expect(try router.datagramGoes(pool) == router.collector)
            router.disconnect()
            try pool.kernel.releaseRows(act: "test")
            try router.connect(pool)
            #expect(router.collector == "c2")
        }
    }

    @Test func `a draining collector that ends with sessions fails over at once`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(hold: .seconds(10))
            let source = try #require(
                (0..<UInt32(100)).map { IPAddress.v4(0x0a09_0000 + $0) }
                    .first { try pool.kernel.explain($0).collector == "c3" })
            let router = Router(source)
            try router.connect(pool)
            _ = try pool.kernel.drain("c3")
            #expect(try router.datagramGoes(pool) == "c3")
            router.disconnect()
            pool.stop("c3")
            try pool.kernel.noteLoss(of: Slot(2), hasEnded: true, act: "test")
            let next = try pool.kernel.explain(source).ranks[0]
            #expect(try router.datagramGoes(pool) == next)
            #expect(try router.datagramGoes(pool) != nil)
        }
    }

    @Test func `a draining collector doesn't stand in when all others fail`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(collectors: ["c1", "c2"], hold: .milliseconds(50))
            _ = try pool.kernel.drain("c2")
            pool.stop("c1")
            let source = IPAddress.v4(0x0a09_0001)
            try pool.send(from: source)
            usleep(80_000)
            #expect(try Router(source).datagramGoes(pool) == nil)
            #expect(try pool.outcomes("ipfix").noCollector == 1)
        }
    }
}
