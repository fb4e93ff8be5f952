import Glibc
import SockArrayCore
import TelemetryLab
import Testing

/// Configured exporters and pins, on the real kernel.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF")) struct ExporterTests {
    private static func configuration(
        _ exporters: [PoolConfiguration.Exporter], names: [String] = ["c1", "c2", "c3", "c4"],
        hold: Duration = .milliseconds(200)
    ) -> PoolConfiguration {
        var configuration = PoolFixture.configuration(names, .v6(0, 0), hold)
        configuration.exporters = exporters
        return configuration
    }

    private static func exporter(_ name: String, _ prefixes: [String], pin: String? = nil) throws
        -> PoolConfiguration.Exporter
    {
        PoolConfiguration.Exporter(
            name: name, prefixes: try prefixes.map { try AddressPrefix(parsing: $0) }, collector: pin)
    }

    @Test func `60 overlapping prefixes of 15 lengths: the kernel finds what explain does, 600 of 600`() async throws {
        try await Sandbox.run { _ in
            var exporters: [PoolConfiguration.Exporter] = []
            for index in 0..<30 {
                let length = 8 + index % 8 * 3
                let network = AddressPrefix(.v4(0x0a00_0000 + UInt32(index % 5) << 16)).cut(to: 96 + length)
                let wide = AddressPrefix(.v6(0x2001_0db8_0000_0000, 0)).cut(to: 32 + index % 7 * 16)
                // Each prefix once: later ones of the same length get a longer one.
                let taken = Set(exporters.flatMap(\.prefixes))
                let fresh = [network, wide].map { prefix in
                    taken.contains(prefix) ? AddressPrefix(Self.address(in: prefix, UInt64(index))) : prefix
                }
                exporters.append(
                    PoolConfiguration.Exporter(
                        name: "e\(index)", prefixes: Array(Set(fresh).subtracting(taken)),
                        collector: index % 4 == 0 ? "c\(index / 4 % 4 + 1)" : nil))
            }
            let pool = try PoolFixture(Self.configuration(exporters.filter { !$0.prefixes.isEmpty }))
            var reasons: [String: Int] = [:]
            var right = 0
            for index in 0..<UInt64(600) {
                let source: IPAddress =
                    index % 2 == 0
                    ? .v4(0x0a00_0001 + UInt32(index % 9) << 16 + UInt32(index / 9))
                    : .v6(0x2001_0db8_0000_0000 | index % 3 << 16 | index % 5, index * index)
                let expected = try pool.plane.explain(source)
                reasons[expected.why ?? "", default: 0] += 1
                let meeting = try pool.meeting(of: source)
                if meeting.udp == expected.collector, meeting.tcp == expected.collector { right += 1 }
            }
            #expect(right == 600)
            #expect(reasons["pin"] ?? 0 > 30 && reasons["alias"] ?? 0 > 100 && reasons["owner"] ?? 0 > 30, "\(reasons)")
        }
    }

    @Test func `a device with IPv4, IPv6 and a second IPv4 address meets in one collector over three groups`()
        async throws
    {
        try await Sandbox.run { _ in
            let devices = try (0..<40).map { index in
                try Self.exporter("pe\(index)", ["10.1.0.\(index + 1)", "10.2.0.\(index + 1)", "2001:db8::\(index + 1)"])
            }
            var configuration = Self.configuration(devices)
            configuration.groups = [
                ReuseportGroup(name: "dual", transport: .udp, address: .v6(0, 0), port: 4_739),
                ReuseportGroup(name: "dual-bmp", transport: .tcp, address: .v6(0, 0), port: 1_790),
                ReuseportGroup(name: "four", transport: .udp, address: .v4(0), port: 2_055),
                ReuseportGroup(name: "six", transport: .udp, address: .v6(0, 0), port: 9_995, ipv6Only: true),
            ]
            let plane = try DataPlane(adopting: configuration)
            var sockets: [String: [InternetSocket]] = [:]
            for collector in configuration.collectors {
                let six = try InternetSocket(.udp, bind: .v6(0, 0), port: 9_995, reuseport: true, ipv6Only: true)
                let own = [
                    try InternetSocket.collector(.udp, .v6(0, 0), port: 4_739),
                    try InternetSocket.collector(.tcp, .v6(0, 0), port: 1_790),
                    try InternetSocket.collector(.udp, .v4(0), port: 2_055), six,
                ]
                sockets[collector.name] = own
                _ = try plane.register(
                    collector.name, try own.map { try PoolFixture.offer($0.number) }, owner: nil)
            }
            var owners: Set<String> = []
            for device in devices {
                for address in device.prefixes.map({ IPAddress($0.description)! }) {
                    let target = PoolFixture.target(for: address)
                    for port in address.isIPv4 ? [4_739, 2_055] : [4_739, 9_995] {
                        try InternetSocket(.udp, bind: address).send([1], to: target, UInt16(port))
                    }
                    try InternetSocket(.tcp, bind: address).connect(target, 1_790)
                }
                let counts = sockets.mapValues { own in
                    own[1].acceptWaiting().count + [own[0], own[2], own[3]].reduce(0) { $0 + $1.receiveWaiting().count }
                }
                #expect(counts.values.sorted() == [0, 0, 0, 9], "\(device.name): \(counts)")
                if let owner = counts.first(where: { $0.value == 9 }) { owners.insert(owner.key) }
            }
            #expect(owners.count == 4)
        }
    }

    @Test func `a pinned exporter goes to its bucket's ranks while its collector is away, and comes back`()
        async throws
    {
        try await Sandbox.run { _ in
            let source = try #require(IPAddress("10.9.9.9"))
            let pool = try PoolFixture(Self.configuration([try Self.exporter("elephant", ["10.9.9.9"], pin: "c2")]))
            #expect(try pool.meeting(of: source) == ("c2", "c2"))
            let ranks = try pool.plane.explain(source).ranks
            #expect(ranks.first == "c2" && ranks.count == 4)
            pool.stop("c2")
            try pool.send(from: source)  // held
            usleep(300_000)
            #expect(try pool.meeting(of: source) == (ranks[1], ranks[1]))
            #expect(try pool.plane.explain(source).why == "failover")
            try pool.start("c2")
            #expect(try pool.meeting(of: source) == ("c2", "c2"))
        }
    }

    @Test func `sightings add up: 3,000 datagrams of 1,000 exporters, runs and bytes of each`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(collectors: ["c1", "c2"])
            for _ in 0..<3 {
                for index in 0..<UInt32(1_000) { try pool.send(from: .v4(0x0a00_0000 + index), bytes: 100) }
                _ = pool.takeReceived()
            }
            let seen = try pool.plane.seenExporters(act: "test")
            #expect(seen.count == 1_000)
            #expect(seen.allSatisfy { $0.runs == 3 && $0.bytes == 3 * 108 })
        }
    }

    private static func address(in prefix: AddressPrefix, _ number: UInt64) -> IPAddress {
        prefix.isIPv4
            ? .v4(UInt32(truncatingIfNeeded: prefix.low) + UInt32(number) + 1) : .v6(prefix.high, prefix.low + number + 1)
    }
}

extension IPAddress {
    fileprivate var isIPv4: Bool { if case .v4 = self { true } else { false } }
}
