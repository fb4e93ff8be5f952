import PoolModel

/// Pins that balance the load of a pool, from the traffic of each exporter: the
/// answer of `plan --rebalance`.
public struct RebalancePlan: Equatable, Sendable, Codable {
    public var pool: String
    /// The requested target: the highest load of a collector relative to its weight's
    /// part of the total.
    public var bound: Double
    public var maxOverMean: MovePlan.BeforeAfter<Double>
    public var isReached: Bool
    /// All pins of the plan, heaviest exporter first.
    public var pins: [Pin]
    /// Exporters whose collector changes, heaviest first.
    public var moved: [Rebalance.Move]
    public var exportersSeen: Int
    /// Traffic since the pool was made of exporters without an entry in the table: no plan includes it.
    public var untrackedBytes: UInt64
    public var balance: [Balance]

    public struct Balance: Equatable, Sendable, Codable {
        public var collector: String
        public var weight: Int
        public var bytes: MovePlan.BeforeAfter<UInt64>
    }

    /// - Parameters:
    ///   - pins: the pins that the plan starts with: none, to start over.
    ///   - present: the pins in force.
    public init(
        _ configuration: PoolConfiguration, pins: [Pin], present: [Pin], tracked: [TrackedExporter],
        untracked: UInt64 = 0, bound: Double
    ) {
        let home = AssignmentPlan(configuration)
        let now = AssignmentPlan(configuration, pins: present)
        let start = AssignmentPlan(configuration, pins: pins)
        let pinned = Set(configuration.exporters.lazy.filter { $0.collector != nil }.map(\.name))
        var exporters: [String: (address: IPAddress, bytes: UInt64)] = [:]
        for seen in tracked {
            guard let exporter = now.table.place(of: seen.address)?.exporter else { continue }
            exporters[exporter, default: (seen.address, 0)].bytes &+= seen.bytes
        }
        let loads = exporters.compactMap { name, facts in
            guard let collector = start.owner(of: facts.address), let home = home.owner(of: facts.address) else {
                return Rebalance.Load?.none
            }
            return Rebalance.Load(
                exporter: name, collector: collector, home: home, bytes: facts.bytes, isMovable: !pinned.contains(name))
        }
        let result = Rebalance(
            loads: loads, collectors: configuration.collectors.map { ($0.name, $0.weight) }, bound: bound)
        pool = configuration.pool
        self.bound = bound
        isReached = result.isReached
        exportersSeen = tracked.count
        untrackedBytes = untracked
        // Pins of exporters that sent nothing stay as they are.
        self.pins = result.pins + pins.filter { exporters[$0.exporter] == nil }
        let after = AssignmentPlan(configuration, pins: self.pins)
        var loadsByCollector: [String: (UInt64, UInt64)] = [:]
        moved = []
        for (name, facts) in exporters {
            guard let from = now.owner(of: facts.address), let to = after.owner(of: facts.address) else { continue }
            loadsByCollector[from, default: (0, 0)].0 &+= facts.bytes
            loadsByCollector[to, default: (0, 0)].1 &+= facts.bytes
            if from != to { moved.append(Rebalance.Move(exporter: name, from: from, to: to, bytes: facts.bytes)) }
        }
        moved.sort { ($1.bytes, $0.exporter) < ($0.bytes, $1.exporter) }
        balance = configuration.collectors.sorted { $0.name < $1.name }.map { collector in
            let load = loadsByCollector[collector.name] ?? (0, 0)
            return Balance(
                collector: collector.name, weight: collector.weight,
                bytes: MovePlan.BeforeAfter(before: load.0, after: load.1))
        }
        maxOverMean = MovePlan.BeforeAfter(
            before: MovePlan.maxOverMean(balance.map { ($0.bytes.before, $0.weight) }),
            after: MovePlan.maxOverMean(balance.map { ($0.bytes.after, $0.weight) }))
    }
}
