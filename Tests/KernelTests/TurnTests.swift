import Glibc
import PoolModel
import SockArrayCore
import TelemetryLab
import Testing

/// Assignments without affinity, on the real kernel.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF")) struct TurnTests {
    private static func configuration(_ assignment: Assignment, weights: [Int] = [1, 1, 1, 1]) -> PoolConfiguration {
        var configuration = PoolFixture.configuration(weights.indices.map { "c\($0 + 1)" })
        configuration.collectors = weights.enumerated().map { .init(name: "c\($0.offset + 1)", weight: $0.element) }
        configuration.assignment = assignment
        return configuration
    }

    /// Every CPU counts its own turns, so counts may differ by one for each CPU.
    private static let slack = Int(sysconf(Int32(_SC_NPROCESSORS_CONF)))

    @Test func `round-robin: an exporter's datagrams go to all collectors in equal numbers`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(Self.configuration(.roundRobin))
            let exporter = try InternetSocket(.udp, bind: .v4(0x0a00_0001))
            for _ in 0..<400 { try exporter.send([1], to: .v4(0x7f00_0001), PoolFixture.ipfixPort) }
            let counts = pool.takeReceived().mapValues(\.count)
            #expect(counts.values.allSatisfy { abs($0 - 100) <= Self.slack }, "\(counts)")
            #expect(try pool.outcomes("ipfix").selected == 400)
        }
    }

    @Test func `round-robin with one collector down holds nothing, and the others share its turns`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(Self.configuration(.roundRobin))
            pool.stop("c2")
            let exporter = try InternetSocket(.udp, bind: .v4(0x0a00_0001))
            for _ in 0..<600 { try exporter.send([1], to: .v4(0x7f00_0001), PoolFixture.ipfixPort) }
            let counts = pool.takeReceived().mapValues(\.count)
            #expect(counts.count == 3 && counts.values.allSatisfy { abs($0 - 200) <= Self.slack }, "\(counts)")
            let outcomes = try pool.outcomes("ipfix")
            #expect(outcomes.held == 0 && outcomes.selected + outcomes.failedOver == 600)
            #expect(abs(Int(outcomes.failedOver) - 200) <= Self.slack)
            #expect(try pool.connect(from: .v4(0x0a00_0001)))
        }
    }

    @Test func `round-robin follows weights 1, 2 and 5`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(Self.configuration(.roundRobin, weights: [1, 2, 5]))
            let exporter = try InternetSocket(.udp, bind: .v4(0x0a00_0001))
            var counts: [String: Int] = [:]
            for _ in 0..<8 {
                // More would not fit in a queue.
                for _ in 0..<100 { try exporter.send([1], to: .v4(0x7f00_0001), PoolFixture.ipfixPort) }
                counts.merge(pool.takeReceived().mapValues(\.count), uniquingKeysWith: +)
            }
            for (name, due) in ["c1": 100, "c2": 200, "c3": 500] {
                #expect(abs(counts[name]! - due) <= 5 * Self.slack, "\(counts)")
            }
        }
    }

    @Test func `assignment kernel keeps a flow in place, spreads 1,000 flows of an exporter and counts each by slot`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(Self.configuration(.kernel))
            var counts: [String: Int] = [:]
            for index in 0..<1_000 {
                let flow = try InternetSocket(.udp, bind: .v4(0x0a00_0001), port: UInt16(10_000 + index))
                for _ in 0..<3 { try flow.send([1], to: .v4(0x7f00_0001), PoolFixture.ipfixPort) }
                let received = pool.takeReceived().filter { !$0.value.isEmpty }
                #expect(received.count == 1 && received.first?.value.count == 3)
                counts[received.first!.key, default: 0] += 3
            }
            #expect(counts.count == 4 && counts.values.allSatisfy { $0 > 450 && $0 < 1_050 }, "\(counts)")
            for collector in try pool.kernel.status().collectors {
                #expect(collector.groups["ipfix"]!.runs == UInt64(counts[collector.name]!))
            }
            pool.stop("c3")
            for index in 0..<100 {
                try InternetSocket(.udp, bind: .v4(0x0a00_0001), port: UInt16(20_000 + index))
                    .send([1], to: .v4(0x7f00_0001), PoolFixture.ipfixPort)
            }
            #expect(pool.takeReceived().reduce(0) { $0 + $1.value.count } == 100)
        }
    }

    @Test func `without collectors each run is no_collector`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(Self.configuration(.roundRobin))
            let lastMember = try InternetSocket.collector(.udp, .v4(0), port: PoolFixture.ipfixPort)
            for index in 1...4 { pool.stop("c\(index)") }
            for _ in 0..<50 { try pool.send(from: .v4(0x0a00_0001)) }
            #expect(try pool.outcomes("ipfix").noCollector == 50)
            #expect(lastMember.receiveWaiting().isEmpty)
        }
    }
}
