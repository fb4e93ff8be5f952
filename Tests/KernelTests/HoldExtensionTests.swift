import Glibc
import PoolModel
import SockArrayCore
import TelemetryLab
import Testing
import TestSupport

/// The hold of a collector whose command runs and hasn't bound its sockets yet.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF")) struct HoldExtensionTests {
    private static let hold = Duration.seconds(60)

    private static func left(_ pool: PoolFixture, _ index: Int = 0) throws -> Duration? {
        if case .holding(let left) = try pool.kernel.moments(act: "look")[index].state { left } else { nil }
    }

    /// The hold clock of c1 runs, and the hold is nearly over.
    private static func nearlyEnd(_ pool: PoolFixture) throws {
        pool.stop("c1")
        #expect(try pool.kernel.noteLoss(of: Slot(0), hasEnded: false, act: "look"))
        try PinnedMaps.letPass(hold - .seconds(4), pool: "edge")
    }

    @Test func `a running hold is extended to 5 s at a time, by 30 s in all, and exporters are dropped meanwhile`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(collectors: ["c1", "c2"], hold: Self.hold)
            let source = try #require(
                (0..<UInt32(400)).map { IPAddress.v4(0x0a04_0000 + $0) }
                    .first { try pool.kernel.explain($0).collector == "c1" })
            try Self.nearlyEnd(pool)
            var total = Duration.zero
            while total < HoldExtension.limit {
                let grant = try #require(try pool.kernel.extendHold(of: "c1"))
                #expect(grant.isFirst == (total == .zero))
                total = grant.total
                let left = try #require(try Self.left(pool))
                #expect(left <= HoldExtension.step)
                try pool.send(from: source)
                #expect(pool.takeReceived().values.joined().isEmpty)
                try PinnedMaps.letPass(.milliseconds(1_500), pool: "edge")
            }
            #expect(total == HoldExtension.limit)
            #expect(try pool.kernel.extendHold(of: "c1") == nil)
            try PinnedMaps.letPass(.seconds(5), pool: "edge")
            #expect(try Self.left(pool) == nil)
            #expect(try pool.kernel.extendHold(of: "c1") == nil)
            try pool.send(from: source)
            #expect(pool.takeReceived()["c2"] == [source])
        }
    }

    @Test func `nothing is extended but a hold that runs: no present collector, one never seen or unregistered`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(
                PoolFixture.configuration(["c1", "c2", "c3"], .v4(0), .seconds(1)), registering: ["c1", "c2"])
            _ = try pool.kernel.unregister("c2")
            let maps = try PinnedMaps.read()
            for name in ["c1", "c2", "c3"] { #expect(try pool.kernel.extendHold(of: name) == nil) }
            #expect(throws: Failure.self) { try pool.kernel.extendHold(of: "c9") }
            #expect(try PinnedMaps.read() == maps)
        }
    }

    @Test func `an agent that starts doesn't extend a hold that runs already, and extends the next one`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(collectors: ["c1", "c2"], hold: Self.hold)
            try Self.nearlyEnd(pool)
            #expect(try pool.kernel.extendHold(of: "c1") != nil)
            for _ in 0..<3 {
                try pool.restartAgent()
                try PinnedMaps.letPass(.milliseconds(300), pool: "edge")
                #expect(try pool.kernel.extendHold(of: "c1") == nil)
            }
            try pool.start("c1")
            try Self.nearlyEnd(pool)
            #expect(try pool.kernel.extendHold(of: "c1")?.isFirst == true)
        }
    }

    @Test func `a collector that registers in the extended hold gets its exporters, and a full extension next time`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(collectors: ["c1", "c2"], hold: Self.hold)
            for _ in 0..<2 {
                try Self.nearlyEnd(pool)
                #expect(try pool.kernel.extendHold(of: "c1")?.isFirst == true)
                try pool.reload(pool.kernel.configuration)
                try PinnedMaps.letPass(.seconds(1), pool: "edge")
                #expect(try pool.kernel.extendHold(of: "c1")?.isFirst == false)
                try pool.start("c1")
                #expect(try pool.kernel.status().collectors[0].state == "active")
            }
        }
    }
}
