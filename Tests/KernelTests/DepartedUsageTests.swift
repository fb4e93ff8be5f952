import Glibc
import PoolModel
import TelemetryLab
import Testing

/// The counts of a removed group, until usage events contain them.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF")) struct DepartedUsageTests {
    private static let departed = "/sys/fs/bpf/reuseport-agent/edge/departed"

    private static func configuration(hasGroup: Bool = true, hasUsage: Bool = true) -> PoolConfiguration {
        var configuration = PoolFixture.configuration(["c1", "c2"])
        if !hasGroup { configuration.groups.removeFirst() }
        configuration.usage = hasUsage ? UsageSettings(target: .file("/nowhere"), folder: "/nowhere") : nil
        return configuration
    }

    /// 20 datagrams of 100 bytes, and 8 of header each.
    private static func pool() throws -> PoolFixture {
        let pool = try PoolFixture(configuration())
        for number in 0..<UInt32(20) { try pool.send(from: .v4(0x0a0b_0000 + number)) }
        #expect(try bytes(pool) == 20 * 108)
        return pool
    }

    private static func reading(_ pool: PoolFixture) throws -> UsageReading {
        try pool.kernel.usageReading(places: [:], act: "test")
    }

    private static func bytes(_ pool: PoolFixture) throws -> UInt64 {
        try reading(pool).counters.reduce(0) { $0 + $1.total }
    }

    @Test
    func `a removed group's bytes last for 2 more reloads and another agent, until they are forgotten`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try Self.pool()
            for _ in 1...3 {
                try pool.reload(Self.configuration(hasGroup: false))
                #expect(try Self.bytes(pool) == 2_160)
            }
            try pool.restartAgent()
            let last = try Self.reading(pool)
            #expect(last.counters.reduce(0) { $0 + $1.total } == 2_160 && last.departed.count == 1)
            #expect(Set(last.counters.filter { $0.total > 0 }.map { $0.fallback?.collector }) == ["c1", "c2"])
            pool.kernel.forgetTraffic(of: last.departed)
            #expect(try Self.bytes(pool) == 0 && FileText.names(in: Self.departed).isEmpty)
            try pool.restartAgent()
            #expect(try Self.bytes(pool) == 0)
        }
    }

    @Test func `a group that returns before its old bytes are forgotten counts from 0 beside them`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try Self.pool()
            try pool.reload(Self.configuration(hasGroup: false))
            try pool.reload(Self.configuration())
            let reading = try Self.reading(pool)
            #expect(reading.counters.reduce(0) { $0 + $1.total } == 2_160)
            #expect(Set(reading.counters.map { "\($0.source) \($0.index)" }).count == reading.counters.count)
            #expect(reading.counters.filter { !reading.departed.contains($0.source) }.allSatisfy { $0.total == 0 })
        }
    }

    @Test func `removed usage leaves earlier groups' bytes for a last reading; without usage a group leaves none`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try Self.pool()
            try pool.reload(Self.configuration(hasGroup: false))
            for _ in 0..<2 { try pool.reload(Self.configuration(hasGroup: false, hasUsage: false)) }
            let reading = try Self.reading(pool)
            #expect(reading.counters.reduce(0) { $0 + $1.total } == 2_160 && reading.departed.count == 1)
            pool.kernel.forgetTraffic(of: reading.departed)
            #expect(access(Self.departed, F_OK) != 0)
            try pool.reload(Self.configuration(hasUsage: false))
            try pool.reload(Self.configuration(hasGroup: false, hasUsage: false))
            #expect(access(Self.departed, F_OK) != 0)
        }
    }

    @Test func `an agent without usage removes the bytes that earlier agents left`() async throws {
        try await Sandbox.run { _ in
            let pool = try Self.pool()
            try pool.reload(Self.configuration(hasGroup: false))
            #expect(FileText.names(in: Self.departed).count == 1)
            try pool.restartAgent(with: Self.configuration(hasGroup: false, hasUsage: false))
            #expect(access(Self.departed, F_OK) != 0)
        }
    }
}
