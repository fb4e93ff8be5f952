import CBPFShim
import PoolModel
import SockArrayCore

/// The cost that configured exporters add to a run: the same datagrams through the same dispatcher,
/// without configured exporters, with single addresses, and with prefixes.
struct LookupCost {
    private static let exporterCount = 10_000
    private let sources = 256
    private let datagramsPerRound = 60_000

    static let subjects = ["no exporters", "10,000 addresses", "10,000 prefixes"]

    func measure(rounds: Int, note: (String, Double) -> Void) throws {
        let statistics = Descriptor(owning: try bench("BPF_ENABLE_STATS", rpa_enable_run_stats()))
        defer { _ = statistics.number }
        let pool = try BenchPool("lookup", port: 4_739, 4, nil, .off)
        let load = try DatagramLoad(sources: sources, length: 200, port: pool.port)
        for round in 0...rounds {
            for (subject, exporters) in zip(Self.subjects, [[], Self.addresses, Self.prefixes]) {
                try pool.change { $0.exporters = exporters }
                let cost = try ProgramCost.nanosecondsPerRun(of: pool.dispatcher) {
                    try load.send(total: datagramsPerRound)
                }
                if round > 0 { note(subject, cost) }  // the first round warms up
            }
        }
    }

    /// All sources, every tenth of them pinned.
    private static let addresses: [PoolConfiguration.Exporter] = (0..<exporterCount).map { index in
        PoolConfiguration.Exporter(
            name: "r\(index)", prefixes: [AddressPrefix(.v4(Loopback.exporter(UInt32(index))))],
            collector: index % 10 == 0 ? "c1" : nil)
    }

    /// Prefixes of 8 lengths; the program finds a source after 3 or 4 steps.
    private static let prefixes: [PoolConfiguration.Exporter] = {
        let lengths = [112, 116, 118, 120, 122, 124, 126, 128]
        var taken: Set<AddressPrefix> = []
        return (0..<exporterCount).compactMap { index in
            let address = AddressPrefix(.v4(Loopback.exporter(UInt32(index * 3))))
            let prefix = address.cut(to: lengths[index % lengths.count])
            guard taken.insert(prefix).inserted else {
                return taken.insert(address).inserted
                    ? PoolConfiguration.Exporter(name: "p\(index)", prefixes: [address]) : nil
            }
            return PoolConfiguration.Exporter(name: "p\(index)", prefixes: [prefix])
        }
    }()
}
