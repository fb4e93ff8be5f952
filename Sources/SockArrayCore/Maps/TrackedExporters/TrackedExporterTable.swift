import CBPFShim
import PoolModel

/// The tracked exporters, with each one's traffic: pinned arrays in a folder of
/// their own, which tables of other sizes don't share.
final class TrackedExporterTable {
    /// The number of exporters that fit; 0: none is tracked.
    let limit: Int
    let folder: PinFolder
    private let tracked: Descriptor
    private let cpuCounters: Descriptor
    private let untracked: Descriptor
    private let allocator: Descriptor
    private let cpuCount: Int
    private let shape: TrackingSizes

    /// - Parameter limit: not 0.
    init(limit: Int, in pool: PinFolder) throws(PoolError) {
        self.limit = limit
        folder = pool.subfolder(Self.folderName(ofLimit: limit))
        cpuCount = try PoolError.wrap { () throws(KernelError) in
            Int(try kernel("libbpf_num_possible_cpus", rpa_possible_cpus()))
        }
        shape = TrackingSizes(limit: limit, cpuCount: cpuCount)
        try PoolError.wrap { [folder] () throws(KernelError) in try folder.make() }
        tracked = try folder.map(
            "tracked", RPA_MAP_MMAPABLE_ARRAY, valueSize: MemoryLayout<rpa_tracked_exporter>.stride,
            entries: Int32(shape.entries))
        cpuCounters = try folder.map(
            "cpu_counters", RPA_MAP_MMAPABLE_ARRAY, valueSize: MemoryLayout<rpa_counter_bucket>.stride,
            entries: Int32(shape.blocks * shape.buckets))
        untracked = try folder.map(
            "untracked", RPA_MAP_PERCPU_ARRAY, valueSize: MemoryLayout<rpa_untracked>.stride, entries: 1)
        allocator = try folder.map(
            "exporter_alloc", RPA_MAP_ALLOCATOR, valueSize: MemoryLayout<rpa_exporter_allocator>.stride, entries: 1)
    }

    static let folderPrefix = "tracked-"
    static let pinNames: Set = ["tracked", "cpu_counters", "untracked", "exporter_alloc"]
    static func folderName(ofLimit limit: Int) -> String { "\(folderPrefix)\(limit)" }

    var maps: [(name: String, number: Int32)] {
        [
            ("tracked", tracked.number), ("cpu_counters", cpuCounters.number),
            ("untracked", untracked.number), ("exporter_alloc", allocator.number),
        ]
    }

    /// Unique during a boot of the machine.
    func identifier() throws(KernelError) -> UInt32 {
        var identifier: UInt32 = 0
        try kernel("bpf_obj_get_info_by_fd cpu_counters", rpa_map_id(cpuCounters.number, &identifier))
        return identifier
    }

    /// The number of exporters that have an entry, and of those that were evicted.
    func allocated() throws(KernelError) -> (used: Int, evicted: UInt64) {
        var value = rpa_exporter_allocator()
        try kernel("bpf_map_lookup_elem exporter_alloc", rpa_map_lookup(allocator.number, 0, &value))
        return (Int(value.used), value.evicted)
    }

    /// Traffic for which the table had no room, and events for which the buffer had none.
    /// Excludes the counts of evicted exporters: see `read`.
    func untrackedCounts() throws(KernelError) -> (traffic: ExporterTraffic, eventsLost: UInt64) {
        var values = Array(repeating: rpa_untracked(), count: cpuCount)
        try kernel("bpf_map_lookup_elem untracked", rpa_map_lookup(untracked.number, 0, &values))
        return values.reduce(into: (ExporterTraffic(), 0)) { sum, cpu in
            sum.0.runs += cpu.runs
            sum.0.bytes += cpu.bytes
            sum.1 += cpu.events_lost
        }
    }

    /// All tracked exporters, in no order, and the traffic of untracked ones.
    ///
    /// While entries change owner, the traffic of such an entry can be in neither sum, or in that of the new
    /// exporter, until the next reading.
    ///
    /// - Parameter updatePeriod: how often the program updates the entry of an exporter that sends.
    func read(updatePeriod: Duration = .zero) throws(KernelError)
        -> (tracked: [TrackedExporter], untracked: ExporterTraffic)
    {
        let (used, evicted) = try allocated()
        var untracked = try untrackedCounts().traffic
        guard used > 0 else { return ([], untracked) }
        var exporters: [Entry] = []
        exporters.reserveCapacity(used)
        // Of each entry: the index in `exporters`, or -1.
        var places: [Int32] = []
        places.reserveCapacity(shape.entries)
        try MappedParts.each(of: tracked, as: rpa_tracked_exporter.self, 0..<shape.entries) {
            places.append($1.epoch == 0 ? -1 : Int32(exporters.count))
            if $1.epoch != 0 { exporters.append(Entry($1)) }
        }
        let longest = Int32(StateTime.units(of: updatePeriod))
        try eachCounters(ofThoseWith: places.lazy.map { $0 >= 0 }) { index, counters in
            // It has got its first exporter since then.
            guard places[index] >= 0 else { return }
            let place = Int(places[index])
            switch counters.owner(at: exporters[place].epoch) {
            case .former: untracked += counters.traffic
            case .present: exporters[place].add(counters, longest: longest)
            case .later: break
            }
        }
        let now = Duration.nanoseconds(KernelClock.nanoseconds)
        var all: [TrackedExporter] = []
        all.reserveCapacity(exporters.count)
        // Without a copy of the exporters in between: a large table takes megabytes.
        for exporter in exporters { all.append(exporter.trackedExporter(now: now)) }
        return (evicted == 0 ? all : Self.merged(all), untracked)
    }

    /// Two CPUs that replace silent exporters at the same moment can give one exporter two entries.
    private static func merged(_ exporters: [TrackedExporter]) -> [TrackedExporter] {
        var places: [IPAddress: Int] = [:]
        places.reserveCapacity(exporters.count)
        var merged: [TrackedExporter] = []
        merged.reserveCapacity(exporters.count)
        for exporter in exporters {
            guard let place = places[exporter.address] else {
                places[exporter.address] = merged.count
                merged.append(exporter)
                continue
            }
            merged[place] = merged[place].merged(with: exporter)
        }
        return merged
    }

    /// Clears the last slot of exporters that have one of these slots, because another collector
    /// can get it. No row names the slots, so no run sets them again.
    func forget(_ slots: Set<Slot>) throws(KernelError) {
        guard try allocated().used > 0 else { return }
        let count = shape.entries
        let stride = MemoryLayout<rpa_tracked_exporter>.stride
        var memory: UnsafeMutableRawPointer?
        try kernel("mmap of tracked", rpa_map_memory(tracked.number, count * stride, &memory))
        defer { rpa_unmap(memory, count * stride) }
        let indices = Set(slots.map(\.index))
        for index in 0..<count {
            // slot, notified_slot and state_time: one word, which the program writes too.
            let word = (memory! + index * stride + MemoryLayout<rpa_tracked_exporter>.offset(of: \.slot)!)
                .assumingMemoryBound(to: UInt64.self)
            while true {
                let before = rpa_load(word)
                var parts = unsafeBitCast(before, to: SIMD4<UInt16>.self)
                for part in 0..<2 where indices.contains(parts[part]) { parts[part] = UInt16(RPA_NO_SLOT) }
                let after = unsafeBitCast(parts, to: UInt64.self)
                if before == after || rpa_replace(word, before, after) != 0 { break }
            }
        }
    }

    /// The counts of evicted exporters that no CPU has added to the untracked ones
    /// yet.
    func evictedTraffic() throws(KernelError) -> ExporterTraffic {
        var epochs: [UInt32] = []
        epochs.reserveCapacity(shape.entries)
        try MappedParts.each(of: tracked, as: rpa_tracked_exporter.self, 0..<shape.entries) {
            epochs.append($1.epoch)
        }
        var traffic = ExporterTraffic()
        try eachCounters(ofThoseWith: epochs.lazy.map { $0 != 0 }) { index, counters in
            if counters.owner(at: epochs[index]) == .former { traffic += counters.traffic }
        }
        return traffic
    }

    /// - Parameters:
    ///   - entries: whether each entry has an exporter. Parts of the table without one aren't read.
    ///   - body: called with the index of the exporter's entry and the counters of one CPU, or of those that share
    ///     them, unless they have counted nothing.
    private func eachCounters(
        ofThoseWith entries: some Sequence<Bool>, _ body: (Int, rpa_cpu_counters) -> Void
    ) throws(KernelError) {
        // Half a MiB of counters: a part costs a mapping.
        let part = 4_096 * 4
        var parts: [Range<Int>] = []
        for (index, isUsed) in entries.enumerated() where isUsed {
            let start = index / part * part
            if parts.last?.lowerBound != start { parts.append(start..<min(start + part, shape.entries)) }
        }
        for block in 0..<shape.blocks {
            let first = block * shape.entries
            for part in parts {
                try MappedParts.each(
                    of: cpuCounters, as: rpa_cpu_counters.self, first + part.lowerBound..<first + part.upperBound
                ) {
                    if $1.runs != 0 || $1.bytes != 0 { body($0 - first, $1) }
                }
            }
        }
    }

    private struct Entry {
        let high, low: UInt64
        let epoch, firstSeen, lastSeen: UInt32
        let slot: UInt16
        /// In the counters of the CPU that wrote `lastSeen`.
        let stateTime: UInt32
        /// How much later a CPU has seen the exporter, in units of `StateTime`.
        var later: Int32 = 0
        var udp = ExporterTraffic()
        let tcp: ExporterTraffic

        init(_ exporter: rpa_tracked_exporter) {
            (high, low, epoch) = (exporter.high, exporter.low, exporter.epoch)
            (firstSeen, lastSeen, slot) = (exporter.first_seen, exporter.last_seen, exporter.slot)
            stateTime = exporter.state_time
            tcp = ExporterTraffic(runs: exporter.stream_runs, bytes: exporter.stream_bytes)
        }

        /// What one CPU has counted.
        ///
        /// - Parameter longest: units after which a CPU updates the entry, so that its time can't be later. That of a
        ///   CPU that sees the exporter no more may only seem to be: times wrap.
        mutating func add(_ counters: rpa_cpu_counters, longest: Int32) {
            udp += counters.traffic
            let difference = Int32(StateTime.difference(counters.time, UInt64(stateTime)))
            if difference <= longest { later = max(later, difference) }
        }

        /// - Parameter now: counters that an exporter has just got have a later time for a moment.
        func trackedExporter(now: Duration) -> TrackedExporter {
            var exporter = TrackedExporter(address: IPAddress.v6(high, low).unmapped, udp: udp, tcp: tcp)
            exporter.slot = slot == UInt16(RPA_NO_SLOT) ? nil : Slot(slot)
            exporter.firstSeen = Sampling.tick * Int(firstSeen)
            exporter.lastSeen = max(
                Sampling.tick * Int(lastSeen), min(Sampling.tick * Int(lastSeen) + StateTime.unit * Int(later), now))
            return exporter
        }
    }
}

extension rpa_cpu_counters {
    /// Whose counts they are, compared with the entry as it was read.
    enum Owner { case former, present, later }

    /// - Parameter epoch: the entry's. Counters have its lower half.
    fileprivate func owner(at epoch: UInt32) -> Owner {
        // A run that shared them counted when they had just been taken from an exporter.
        if identity == 0 { return .former }
        let own = UInt16(truncatingIfNeeded: state >> UInt64(RPA_STATE_EPOCH_SHIFT))
        switch UInt16(truncatingIfNeeded: epoch) &- own {
        case 0: return .present
        // The entry has changed owner a few times since it was read.
        case (UInt16.max - 64)...: return .later
        default: return .former
        }
    }

    fileprivate var traffic: ExporterTraffic { ExporterTraffic(runs: runs, bytes: bytes) }

    /// In the unit of `StateTime`.
    fileprivate var time: UInt64 { state >> UInt64(RPA_STATE_TIME_SHIFT) }
}

/// The sizes of a table's maps.
struct TrackingSizes {
    let primaryBuckets, otherBuckets: Int
    /// A power of two. With more CPUs than blocks, several CPUs share one.
    let blocks: Int
    let isShared: Bool

    /// One and a half times as many entries as exporters: of as many as the limit, one in 1,000 finds none.
    init(limit: Int, cpuCount: Int) {
        let perBucket = Int(RPA_BUCKET_ENTRIES)
        primaryBuckets = max(limit / 4 / perBucket, 1)
        otherBuckets = (limit * 5 / 4 + perBucket - 1) / perBucket
        blocks = min(Self.powerOfTwo(from: cpuCount), Int(RPA_COUNTER_BLOCKS))
        isShared = cpuCount > blocks
    }

    var buckets: Int { primaryBuckets + otherBuckets }
    var entries: Int { buckets * Int(RPA_BUCKET_ENTRIES) }

    private static func powerOfTwo(from number: Int) -> Int {
        1 << (Int.bitWidth - (max(number, 1) - 1).leadingZeroBitCount)
    }
}
