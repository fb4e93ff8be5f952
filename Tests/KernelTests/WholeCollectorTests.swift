import Glibc
import PoolModel
import TelemetryLab
import Testing

/// A collector is usable as a whole, or not at all: the program sees to it alone.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF")) struct WholeCollectorTests {
    @Test func `datagrams for a collector without its BMP listener are held, then both streams go to rank 2`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(hold: ModelledPool.hold)
            let source = try Self.source(of: "c1", pool)
            let ranks = try pool.kernel.explain(source).ranks
            pool.stopTCP("c1")
            Jiffies.pass()  // A run looks at other groups once a jiffy.
            try pool.send(from: source)
            #expect(pool.takeReceived()["c1"] == [])
            #expect(try pool.kernel.explain(source).outcome == "held")
            try pool.endHolds()
            let meeting = try pool.meeting(of: source)
            #expect(meeting == (ranks[1], ranks[1]))
        }
    }

    @Test func `connections for a collector without its UDP socket are refused, then both streams go to rank 2`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(hold: ModelledPool.hold)
            let source = try Self.source(of: "c2", pool)
            let ranks = try pool.kernel.explain(source).ranks
            pool.stop("c2", keepingTCP: true)
            Jiffies.pass()
            #expect(try !pool.connect(from: source))
            try pool.endHolds()
            let meeting = try pool.meeting(of: source)
            #expect(meeting == (ranks[1], ranks[1]))
        }
    }

    @Test func `a collector without a socket in an added group is complete in the other groups`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture()
            var configuration = pool.kernel.configuration
            configuration.groups.append(
                ReuseportGroup(name: "sflow", transport: .udp, address: .v4(0), port: 6_343))
            try pool.reload(configuration)
            Jiffies.pass()
            for index in 0..<UInt32(40) {
                let meeting = try pool.meeting(of: .v4(0x0a08_0000 + index))
                #expect(meeting.udp != nil && meeting.udp == meeting.tcp)
            }
            // When the group is removed again, no collector becomes incomplete.
            configuration.groups.removeLast()
            try pool.reload(configuration)
            Jiffies.pass()
            for index in 0..<UInt32(40) {
                let meeting = try pool.meeting(of: .v4(0x0a08_0000 + index))
                #expect(meeting.udp != nil && meeting.udp == meeting.tcp)
            }
        }
    }

    private static func source(of name: String, _ pool: PoolFixture) throws -> IPAddress {
        try #require(
            (0..<UInt32(200)).lazy.map { IPAddress.v4(0x0a04_0000 + $0) }
                .first { try! pool.kernel.explain($0).collector == name })
    }
}
