import CBPFShim
import SockArrayCore

/// What configured exporters add to a run: the same datagrams through the same
/// dispatcher, with none, with single addresses, and with prefixes.
struct LookupCost {
    private static let exporterCount = 10_000
    private let cost = ProgramCost()

    func measure() throws -> String {
        let statistics = Descriptor(owning: try bench("BPF_ENABLE_STATS", rpa_enable_run_stats()))
        defer { _ = statistics.number }
        let group = ReuseportGroup(name: "ipfix", transport: .udp, address: .v4(0), port: 4_739)
        var configuration = PoolConfiguration(
            pool: "bench", collectors: (1...cost.collectorCount).map { .init(name: "c\($0)") }, groups: [group])
        let subjects: [(name: String, exporters: [PoolConfiguration.Exporter])] = [
            ("no exporters", []), ("10,000 addresses", Self.addresses), ("10,000 prefixes", Self.prefixes),
        ]
        var plane = try DataPlane(adopting: configuration)
        var members: [OfferedSocket] = []
        for index in 1...cost.collectorCount {
            members.append(try OfferedSocket(try LoopbackUDP.collector(port: group.port), label: "c\(index)"))
            _ = try plane.register("c\(index)", [members[index - 1]], owner: nil)
        }
        var routers = LoopbackRouters(count: cost.sourceCount)
        var costs = subjects.map { _ in [Double]() }
        for round in 0...cost.rounds {
            for (index, subject) in subjects.enumerated() {
                configuration.exporters = subject.exporters
                plane = try DataPlane(adopting: configuration, replacing: plane)
                let dispatcher = plane.groups[0].dispatcher.number
                let nanoseconds = try cost.nanosecondsPerRun(of: dispatcher, from: &routers, to: group.port)
                if round > 0 { costs[index].append(nanoseconds) }  // the first one warms up
            }
        }
        let spreads = costs.map(Spread.init)
        var lines = zip(subjects, spreads).dropFirst().map { subject, spread in
            "  a run with \(subject.name): \(Spread.hundredths(spread.median / spreads[0].median)) x one without "
                + "(target: at most 1.6)"
        }
        lines.append("")
        for (subject, spread) in zip(subjects, spreads) {
            let name = subject.name + String(repeating: " ", count: 20 - subject.name.count)
            lines.append("  \(name) \(spread.text) ns per run; median (least - most) of \(cost.rounds) rounds")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// All sources are among them, every tenth is pinned.
    private static var addresses: [PoolConfiguration.Exporter] {
        (0..<exporterCount).map { index in
            PoolConfiguration.Exporter(
                name: "r\(index)", prefixes: [AddressPrefix(.v4(0x7f01_0000 + UInt32(index)))],
                collector: index % 10 == 0 ? "c1" : nil)
        }
    }

    /// Of 8 lengths; a source is found after 3 or 4 steps.
    private static var prefixes: [PoolConfiguration.Exporter] {
        let lengths = [112, 116, 118, 120, 122, 124, 126, 128]
        var taken: Set<AddressPrefix> = []
        return (0..<exporterCount).compactMap { index in
            let address = AddressPrefix(.v4(0x7f01_0000 + UInt32(index * 3)))
            let prefix = address.cut(to: lengths[index % lengths.count])
            guard taken.insert(prefix).inserted else {
                return taken.insert(address).inserted
                    ? PoolConfiguration.Exporter(name: "p\(index)", prefixes: [address]) : nil
            }
            return PoolConfiguration.Exporter(name: "p\(index)", prefixes: [prefix])
        }
    }
}
