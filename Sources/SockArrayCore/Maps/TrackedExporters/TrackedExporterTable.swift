import CBPFShim
import PoolModel

/// The tracked exporters, with each one's traffic: pinned arrays in a folder of
/// their own, which tables of other sizes don't share.
final class TrackedExporterTable {
    /// The number of exporters that fit; 0: none is tracked.
    let limit: Int
    let folder: PinFolder
    private let index: Descriptor
    private let tracked: Descriptor
    private let cpuCounters: Descriptor
    private let untracked: Descriptor
    private let allocator: Descriptor
    private let cpuCount: Int

    /// - Parameter limit: not 0.
    init(limit: Int, in pool: PinFolder) throws(PoolError) {
        self.limit = limit
        folder = pool.subfolder(Self.folderName(ofLimit: limit))
        cpuCount = try PoolError.wrap { () throws(KernelError) in
            Int(try kernel("libbpf_num_possible_cpus", rpa_possible_cpus()))
        }
        let shape = TrackingSizes(limit: limit, cpuCount: cpuCount)
        try PoolError.wrap { [folder] () throws(KernelError) in try folder.make() }
        index = try folder.map(
            "exporter_index", RPA_MAP_ARRAY, valueSize: MemoryLayout<UInt64>.stride,
            entries: Int32(shape.primaryWords + shape.spareWords))
        tracked = try folder.map(
            "tracked", RPA_MAP_MMAPABLE_ARRAY, valueSize: MemoryLayout<rpa_tracked_exporter>.stride,
            entries: Int32(limit))
        cpuCounters = try folder.map(
            "cpu_counters", RPA_MAP_MMAPABLE_ARRAY, valueSize: MemoryLayout<rpa_cpu_counters>.stride,
            entries: Int32(shape.blocks * limit))
        untracked = try folder.map(
            "untracked", RPA_MAP_PERCPU_ARRAY, valueSize: MemoryLayout<rpa_untracked>.stride, entries: 1)
        allocator = try folder.map(
            "exporter_alloc", RPA_MAP_ALLOCATOR, valueSize: MemoryLayout<rpa_exporter_allocator>.stride, entries: 1)
    }

    static let folderPrefix = "tracked-"
    static let pinNames: Set = ["exporter_index", "tracked", "cpu_counters", "untracked", "exporter_alloc"]
    static func folderName(ofLimit limit: Int) -> String { "\(folderPrefix)\(limit)" }

    var maps: [(name: String, number: Int32)] {
        [
            ("exporter_index", index.number), ("tracked", tracked.number), ("cpu_counters", cpuCounters.number),
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
    /// While entries change owner, an address can be listed twice. Until the next reading, the
    /// traffic of such an entry can be in neither sum, or in that of the new exporter.
    func read() throws(KernelError) -> (tracked: [TrackedExporter], untracked: ExporterTraffic) {
        let (used, _) = try allocated()
        var untracked = try untrackedCounts().traffic
        var entries: [Entry] = []
        entries.reserveCapacity(used)
        try MappedParts.each(of: tracked, as: rpa_tracked_exporter.self, 0..<used) { entries.append(Entry($1)) }
        try eachCounters(of: used) { index, counters in
            let udp = ExporterTraffic(runs: counters.runs.0, bytes: counters.bytes.0)
            let tcp = ExporterTraffic(runs: counters.runs.1, bytes: counters.bytes.1)
            // A later epoch: the entry has changed owner since it was read.
            if counters.age(at: entries[index].epoch) > 0 {
                untracked += udp
                untracked += tcp
            } else if counters.epoch == entries[index].epoch {
                entries[index].udp += udp
                entries[index].tcp += tcp
            }
        }
        // Without a copy of the entries in between: a large table takes megabytes.
        var all: [TrackedExporter] = []
        all.reserveCapacity(used)
        for entry in entries where entry.epoch != 0 { all.append(entry.trackedExporter) }
        return (all, untracked)
    }

    /// Clears the last slot of exporters that have one of these slots, because another collector
    /// can get it. No row names the slots, so no run sets them again.
    func forget(_ slots: Set<Slot>) throws(KernelError) {
        let (used, _) = try allocated()
        guard used > 0 else { return }
        let stride = MemoryLayout<rpa_tracked_exporter>.stride
        var memory: UnsafeMutableRawPointer?
        try kernel("mmap of tracked", rpa_map_memory(tracked.number, used * stride, &memory))
        defer { rpa_unmap(memory, used * stride) }
        let indices = Set(slots.map(\.index))
        for index in 0..<used {
            // slot, notified_slot and 4 bytes that are unused: one word, which the program writes too.
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
        let (used, _) = try allocated()
        var epochs: [UInt32] = []
        epochs.reserveCapacity(used)
        try MappedParts.each(of: tracked, as: rpa_tracked_exporter.self, 0..<used) { epochs.append($1.epoch) }
        var traffic = ExporterTraffic()
        try eachCounters(of: used) { index, counters in
            guard counters.age(at: epochs[index]) > 0 else { return }
            traffic.runs += counters.runs.0 + counters.runs.1
            traffic.bytes += counters.bytes.0 + counters.bytes.1
        }
        return traffic
    }

    /// - Parameter body: called with the index of the exporter's entry and the counts of one
    ///   CPU, or of those that share an entry.
    private func eachCounters(of used: Int, _ body: (Int, rpa_cpu_counters) -> Void) throws(KernelError) {
        for block in 0..<TrackingSizes(limit: limit, cpuCount: cpuCount).blocks {
            let start = block * limit
            try MappedParts.each(of: cpuCounters, as: rpa_cpu_counters.self, start..<start + used) {
                body($0 - start, $1)
            }
        }
    }

    private struct Entry {
        let high, low: UInt64
        let epoch, firstSeen, lastSeen: UInt32
        let slot: UInt16
        var udp = ExporterTraffic()
        var tcp = ExporterTraffic()

        init(_ exporter: rpa_tracked_exporter) {
            (high, low, epoch) = (exporter.high, exporter.low, exporter.epoch)
            (firstSeen, lastSeen, slot) = (exporter.first_seen, exporter.last_seen, exporter.slot)
        }

        var trackedExporter: TrackedExporter {
            var exporter = TrackedExporter(address: IPAddress.v6(high, low).unmapped, udp: udp, tcp: tcp)
            exporter.slot = slot == UInt16(RPA_NO_SLOT) ? nil : Slot(slot)
            exporter.firstSeen = Sampling.tick * Int(firstSeen)
            exporter.lastSeen = Sampling.tick * Int(lastSeen)
            return exporter
        }
    }
}

extension rpa_cpu_counters {
    /// The number of exporters that the entry has had since these counters were written.
    ///
    /// - Parameter epoch: the entry's.
    fileprivate func age(at epoch: UInt32) -> Int32 { Int32(bitPattern: epoch &- self.epoch) }
}

/// The sizes of a table's maps.
struct TrackingSizes {
    /// Powers of two.
    let primaryWords, spareWords: Int
    /// A power of two. With more CPUs than blocks, several CPUs share one.
    let blocks: Int
    let isShared: Bool

    init(limit: Int, cpuCount: Int) {
        primaryWords = Self.powerOfTwo(from: max(limit / 4, Int(RPA_INDEX_PROBES)))
        spareWords = Self.powerOfTwo(from: limit * Int(RPA_INDEX_SPARE))
        blocks = min(Self.powerOfTwo(from: cpuCount), Int(RPA_COUNTER_BLOCKS))
        isShared = cpuCount > blocks
    }

    private static func powerOfTwo(from number: Int) -> Int {
        1 << (Int.bitWidth - (max(number, 1) - 1).leadingZeroBitCount)
    }
}
