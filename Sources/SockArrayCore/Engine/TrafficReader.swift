import CBPFShim
import PoolModel

/// Reads what the programs have counted. It changes no counter.
final class TrafficReader {
    private let pool: ActivePool
    /// Counters of groups that left the configuration and are in no usage event yet.
    private var departed: [DepartedTraffic] = []

    init(_ pool: ActivePool) { self.pool = pool }

    func replaceDeparted(by departed: [DepartedTraffic]) { self.departed = departed }

    /// Usage events are configured, or those of departed groups are still to be made.
    var countsForUsage: Bool { pool.deployment.configuration.usage != nil || !departed.isEmpty }

    /// Bytes by collector and group.
    ///
    /// - Parameter places: indices by source that were read before: they are read again,
    ///   whoever has them now.
    func usageReading(places: [UInt32: Set<UInt32>]) throws(KernelError) -> UsageReading {
        let maps = pool.maps
        let names = maps.tenants.all().mapValues(\.name)
        var counters: [UsageReading.Counter] = []
        for group in pool.deployment.groups {
            try group.traffic.read(into: &counters, names, places) { .collector($0, group: group.group.name) }
        }
        for group in departed {
            var last: [UsageReading.Counter] = []
            try group.table.read(into: &last, names, places) { .collector($0, group: group.name) }
            for counter in last {
                var counter = counter
                // The group is not configured any more: its bytes count for the collector that had them.
                (counter.fallback, counter.series) = (counter.series, nil)
                counters.append(counter)
            }
        }
        return UsageReading(
            incarnation: maps.settings.incarnation, counters: counters,
            departed: Set(departed.filter { !$0.mayCount(in: maps.folder) }.map(\.source)))
    }

    /// The bytes that these sources counted are in usage events on the disk.
    func forget(_ sources: Set<UInt32>) {
        for group in departed where sources.contains(group.source) { group.remove(in: pool.maps.folder) }
        departed.removeAll { sources.contains($0.source) }
    }

    /// Runs of all groups since they were made.
    func totalRuns() throws(KernelError) -> UInt64 {
        var sum: UInt64 = 0
        for group in pool.deployment.groups {
            for traffic in try group.rawTraffic() { sum += traffic.runs }
            let losses = try group.losses()
            sum += losses.held + losses.noCollector + losses.badPacket
        }
        return sum
    }
}

extension TrafficTable {
    /// - Parameter series: by a collector's name.
    fileprivate func read(
        into counters: inout [UsageReading.Counter], _ names: [Slot: String], _ places: [UInt32: Set<UInt32>],
        _ series: (String) -> UsageSeries
    ) throws(KernelError) {
        let source = try identity()
        let slots = Set(names.keys).union((places[source] ?? []).map { Slot(UInt16($0)) }).sorted()
        for slot in slots {
            // In this order: a base is never more than what is counted after it.
            let base = try base(of: slot).bytes
            counters.append(
                UsageReading.Counter(
                    source: source, index: UInt32(slot.index), series: names[slot].map(series),
                    total: try raw(of: slot).bytes, base: base))
        }
    }
}
