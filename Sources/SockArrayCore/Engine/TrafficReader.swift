import CBPFShim
import Glibc
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

/// The counts of a group that left the configuration. Pinned by the kernel's number of
/// the map, they are there until their bytes are in events on the disk, whichever agent
/// makes these.
final class DepartedTraffic {
    /// Of the folder of pins that the group had.
    let name: String
    /// The kernel's number of the map.
    let source: UInt32
    let table: TrafficTable

    private init?(_ entry: String, in pool: PinFolder) {
        let folder = Self.folder(in: pool).subfolder(entry)
        let parts = entry.split(separator: "-", maxSplits: 1)
        guard parts.count == 2, let source = UInt32(parts[0]), (try? folder.open("traffic")) != nil,
            (try? folder.open("bases")) != nil, let table = try? TrafficTable(in: folder)
        else { return nil }
        (name, self.source) = (String(parts[1]), source)
        self.table = table
    }

    private static func folder(in pool: PinFolder) -> PinFolder { pool.subfolder("departed") }
    private var entry: String { "\(source)-\(name)" }

    /// Pins what these groups count beside their own pins, which may then go.
    static func keep(_ names: [String], in pool: PinFolder) throws(PoolError) {
        for name in names {
            guard let source = source(ofGroup: name, in: pool) else { continue }
            let former = pool.subfolder("groups").subfolder(name)
            let folder = folder(in: pool).subfolder("\(source)-\(name)")
            try PoolError.wrap { () throws(KernelError) in try folder.make() }
            // The counts last: without them it is as if there were nothing.
            for pin in ["bases", "traffic"] where try folder.open(pin) == nil {
                guard let map = try former.open(pin) else { break }
                try folder.pin(map, as: pin)
            }
        }
    }

    /// What is kept, of agents before too; without those that are in the configuration
    /// (again), or weren't kept whole.
    static func all(in pool: PinFolder, besides groups: [PoolGroup]) throws(KernelError) -> [DepartedTraffic] {
        let present = Set(try groups.map { group throws(KernelError) in try group.traffic.identity() })
        var all: [DepartedTraffic] = []
        for entry in folder(in: pool).names() {
            if let kept = DepartedTraffic(entry, in: pool), !present.contains(kept.source) {
                all.append(kept)
            } else {
                remove(entry, in: pool)
            }
        }
        return all
    }

    /// Where nobody asks for them.
    static func removeAll(in pool: PinFolder) {
        for entry in folder(in: pool).names() { remove(entry, in: pool) }
    }

    /// Its group's pins are still there: the next adoption removes them, and keeps the
    /// counts again.
    func mayCount(in pool: PinFolder) -> Bool { Self.source(ofGroup: name, in: pool) == source }

    func remove(in pool: PinFolder) { Self.remove(entry, in: pool) }

    private static func remove(_ entry: String, in pool: PinFolder) {
        let folder = folder(in: pool)
        unlink("\(folder.path)/\(entry)/traffic")
        try? folder.subfolder(entry).remove()
        // Only if it was the last one.
        rmdir(folder.path)
    }

    private static func source(ofGroup name: String, in pool: PinFolder) -> UInt32? {
        var identity: UInt32 = 0
        guard let map = try? pool.subfolder("groups").subfolder(name).open("traffic"),
            rpa_map_id(map.number, &identity) >= 0
        else { return nil }
        return identity
    }
}
