@testable import PoolModel

extension PoolConfiguration {
    /// A pool with one group.
    static func pool(
        _ names: [String], weights: [String: Int] = [:], assignment: Assignment = .rendezvous,
        tableSize: Int? = nil, exporters: [Exporter] = []
    ) -> PoolConfiguration {
        PoolConfiguration(
            pool: "edge", collectors: names.map { Collector(name: $0, weight: weights[$0] ?? 1) },
            groups: [ReuseportGroup(name: "ipfix", transport: .udp, address: .v4(0), port: 4_739)],
            assignment: assignment, tableSize: tableSize, exporters: exporters)
    }
}

extension PoolConfiguration.Exporter {
    init(_ name: String, _ prefixes: String..., pin: String? = nil) {
        self.init(name: name, prefixes: prefixes.map { try! AddressPrefix(parsing: $0) }, collector: pin)
    }
}
