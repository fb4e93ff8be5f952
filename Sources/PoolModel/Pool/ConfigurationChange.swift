/// A change of the list of collectors that `plan` is asked about.
public struct ConfigurationChange: Equatable, Sendable, Codable {
    public var add: [PoolConfiguration.Collector] = []
    public var remove: [String] = []
    /// New weights of collectors that are there.
    public var weight: [PoolConfiguration.Collector] = []

    public init(
        add: [PoolConfiguration.Collector] = [], remove: [String] = [], weight: [PoolConfiguration.Collector] = []
    ) {
        self.add = add
        self.remove = remove
        self.weight = weight
    }

    public var isEmpty: Bool { add.isEmpty && remove.isEmpty && weight.isEmpty }

    /// - Throws: `.conflict` for a name that is or isn't there, `.usage` where
    ///   nothing or too much would be left.
    public func applied(to configuration: PoolConfiguration, act: String) throws(Failure) -> PoolConfiguration {
        var changed = configuration
        for collector in add + weight {
            guard PoolConfiguration.isUsableName(collector.name),
                PoolConfiguration.Collector.weights.contains(collector.weight)
            else {
                throw Failure(
                    .usage, act: act, cause: "collector \(collector.name) of weight \(collector.weight) can't be one",
                    remedy: "use a name of 1 to 63 letters, digits, _ and -, and a weight from 1 to 1000")
            }
        }
        func checkIsThere(_ name: String) throws(Failure) {
            guard !changed.collectors.contains(where: { $0.name == name }) else { return }
            throw Failure(
                .conflict, act: act, cause: "pool \(configuration.pool) has no collector \(name)",
                remedy: "use one of \(changed.collectors.map(\.name).joined(separator: ", "))")
        }
        for name in remove {
            try checkIsThere(name)
            changed.collectors.removeAll { $0.name == name }
        }
        for collector in weight {
            try checkIsThere(collector.name)
            for index in changed.collectors.indices where changed.collectors[index].name == collector.name {
                changed.collectors[index].weight = collector.weight
            }
        }
        for collector in add {
            guard !changed.collectors.contains(where: { $0.name == collector.name }) else {
                throw Failure(
                    .conflict, act: act, cause: "pool \(configuration.pool) has a collector \(collector.name) already",
                    remedy: "use --weight \(collector.name)=\(collector.weight) to change its weight")
            }
            changed.collectors.append(collector)
        }
        guard (1...SlotAllocation.capacity).contains(changed.collectors.count) else {
            throw Failure(
                .usage, act: act,
                cause:
                    "\(changed.collectors.count) collectors would be left, a pool has 1 to \(SlotAllocation.capacity)",
                remedy: "change fewer at a time")
        }
        let names = Set(changed.collectors.map(\.name))
        if let pinned = changed.exporters.first(where: { $0.collector.map { !names.contains($0) } ?? false }) {
            throw Failure(
                .conflict, act: act,
                cause: "exporter \(pinned.name) is pinned to \(pinned.collector!) by configuration",
                remedy: "change that pin first")
        }
        return changed
    }
}
