/// Bytes by collector and group, for usage events.
extension DataPlane {
    /// - Parameter places: indices by source that were read before: they are read again,
    ///   whoever has them now.
    public func usageReading(places: [UInt32: Set<UInt32>], act: String) throws(Failure) -> UsageReading {
        try attempt(act) { () throws(KernelError) in
            let names = tenants.all().mapValues(\.name)
            var counters: [UsageReading.Counter] = []
            for plane in groups {
                try plane.traffic.read(into: &counters, names, places) { .collector($0, group: plane.group.name) }
            }
            // Not configured any more: they count for whom they did.
            for departed in departedTraffic {
                var last: [UsageReading.Counter] = []
                try departed.table.read(into: &last, names, places) { .collector($0, group: departed.name) }
                for counter in last {
                    var counter = counter
                    (counter.fallback, counter.series) = (counter.series, nil)
                    counters.append(counter)
                }
            }
            return UsageReading(incarnation: settings.incarnation, counters: counters)
        }
    }
}

/// The counts of a group that left the configuration: they are there as long as this
/// object, although its pins are not.
final class DepartedTraffic {
    /// Of its folder of pins.
    let name: String
    let table: TrafficTable

    /// Nil: it has none.
    init?(_ name: String, in pool: PinFolder) {
        let folder = pool.subfolder("groups").subfolder(name)
        guard (try? folder.open("traffic")) != nil, let table = try? TrafficTable(in: folder) else { return nil }
        self.name = name
        self.table = table
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
