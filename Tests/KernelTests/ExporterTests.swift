import Glibc
import PoolModel
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

    /// Nested networks of both families, every third one pinned.
    private static let nested: [(prefix: String, pin: String?)] = {
        var texts = ["10.0.0.0/9", "::/3", "2001:db8::/32"]
        for index in 0..<6 {
            texts += ["10.\(index).0.0/16", "10.\(index).\(index).0/24", "10.\(index).\(index).64/26"]
            texts += ["10.\(index).\(index).77", "2001:db8:\(index)::/48", "2001:db8:\(index):\(index)::/64"]
            texts += ["2001:db8:\(index):\(index)::\(index):0/112", "2001:db8:\(index):\(index)::\(index):7"]
        }
        return texts.enumerated().map { ($0.element, $0.offset % 3 == 0 ? "c\($0.offset / 3 % 4 + 1)" : nil) }
    }()

    @Test func `with 51 nested prefixes, a third of them pinned, each address goes by the longest`() async throws {
        try await Sandbox.run { _ in
            let exporters = try Self.nested.enumerated().map {
                try Self.exporter("e\($0.offset)", [$0.element.prefix], pin: $0.element.pin)
            }
            let pool = try PoolFixture(Self.configuration(exporters))
            var collectorOf: [String: String] = [:]
            var reasons: [String: Int] = [:]
            for index in 0..<UInt64(800) {
                let (network, host) = (index / 2 % 8, index / 16 * 2)
                let source: IPAddress =
                    index % 2 == 0
                    ? .v4(0x0a00_0001 + UInt32(network << 16 | index % 3 / 2 * network << 8 | host))
                    : .v6(
                        0x2001_0db8_0000_0000 | network << 16 | (index % 3 / 2 * network),
                        index % 5 / 2 * (network << 16 | host) + index % 7)
                let full = AddressPrefix(source)
                // The definition, and not the table that it is compiled to.
                let longest = exporters.filter { $0.prefixes[0].covers(full) }.max {
                    $0.prefixes[0].length < $1.prefixes[0].length
                }
                let meeting = try pool.meeting(of: source)
                let explanation = try pool.kernel.explain(source)
                #expect(meeting == (explanation.collector, explanation.collector))
                #expect(explanation.exporter == longest?.name ?? "\(source)")
                reasons[explanation.why ?? "", default: 0] += 1
                if let pin = longest?.collector { #expect(meeting.udp == pin) }
                // All addresses of one exporter meet.
                let known = collectorOf[explanation.exporter, default: meeting.udp ?? ""]
                collectorOf[explanation.exporter] = known
                #expect(known == meeting.udp)
            }
            #expect(Set(reasons.keys) == ["pin", "alias"], "\(reasons)")
            #expect(reasons.values.allSatisfy { $0 > 100 } && collectorOf.count > 30, "\(reasons) \(collectorOf.count)")
            #expect(try pool.kernel.explain(.v4(0x0b00_0001)).why == "owner")
        }
    }

    @Test func `a device's IPv4, IPv6 and second IPv4 address meet at one collector over three groups`()
        async throws
    {
        try await Sandbox.run { _ in
            let devices = try (0..<40).map { index in
                try Self.exporter(
                    "pe\(index)", ["10.1.0.\(index + 1)", "10.2.0.\(index + 1)", "2001:db8::\(index + 1)"])
            }
            var configuration = Self.configuration(devices)
            configuration.groups = [
                ReuseportGroup(name: "dual", transport: .udp, address: .v6(0, 0), port: 4_739),
                ReuseportGroup(name: "dual-bmp", transport: .tcp, address: .v6(0, 0), port: 1_790),
                ReuseportGroup(name: "four", transport: .udp, address: .v4(0), port: 2_055),
                ReuseportGroup(name: "six", transport: .udp, address: .v6(0, 0), port: 9_995, ipv6Only: true),
            ]
            let kernel = try Pool(adopting: configuration)
            var sockets: [String: [InternetSocket]] = [:]
            for collector in configuration.collectors {
                let six = try InternetSocket(.udp, bind: .v6(0, 0), port: 9_995, reuseport: true, ipv6Only: true)
                let own = [
                    try InternetSocket.collector(.udp, .v6(0, 0), port: 4_739),
                    try InternetSocket.collector(.tcp, .v6(0, 0), port: 1_790),
                    try InternetSocket.collector(.udp, .v4(0), port: 2_055), six,
                ]
                sockets[collector.name] = own
                _ = try kernel.register(
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
                    own[1].acceptWaiting().count
                        + [own[0], own[2], own[3]].reduce(0) { $0 + $1.receiveWaiting().count }
                }
                #expect(counts.values.sorted() == [0, 0, 0, 9], "\(device.name): \(counts)")
                if let owner = counts.first(where: { $0.value == 9 }) { owners.insert(owner.key) }
            }
            #expect(owners.count == 4)
        }
    }

    @Test func `while its collector is down a pinned exporter goes to its bucket's ranks, and then returns`()
        async throws
    {
        try await Sandbox.run { _ in
            let source = try #require(IPAddress("10.9.9.9"))
            let pool = try PoolFixture(Self.configuration([try Self.exporter("elephant", ["10.9.9.9"], pin: "c2")]))
            #expect(try pool.meeting(of: source) == ("c2", "c2"))
            let ranks = try pool.kernel.explain(source).ranks
            #expect(ranks.first == "c2" && ranks.count == 4)
            pool.stop("c2")
            try pool.send(from: source)  // held
            usleep(300_000)
            #expect(try pool.meeting(of: source) == (ranks[1], ranks[1]))
            #expect(try pool.kernel.explain(source).why == "failover")
            try pool.start("c2")
            #expect(try pool.meeting(of: source) == ("c2", "c2"))
        }
    }

    @Test func `tracked exporters' runs and bytes add up over 3,000 datagrams of 1,000 exporters`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(collectors: ["c1", "c2"])
            for _ in 0..<3 {
                for index in 0..<UInt32(1_000) { try pool.send(from: .v4(0x0a00_0000 + index), bytes: 100) }
                _ = pool.takeReceived()
            }
            let seen = try pool.kernel.seenExporters(act: "test")
            #expect(seen.count == 1_000)
            #expect(seen.allSatisfy { $0.runs == 3 && $0.bytes == 3 * 108 })
        }
    }
}

extension IPAddress {
    fileprivate var isIPv4: Bool { if case .v4 = self { true } else { false } }
}
