import CBPFShim
import PoolModel

/// The sums of removed exporter tables, whose size differed from the present one: a pinned
/// map for the agent alone.
struct RetiredCounts: ~Copyable {
    private let map: Descriptor
    private let pool: PinFolder

    init(in pool: PinFolder) throws(PoolError) {
        self.pool = pool
        map = try pool.map(
            "retired_counts", RPA_MAP_ARRAY, valueSize: MemoryLayout<rpa_retired_counts>.stride, entries: 1)
    }

    func counts() throws(KernelError) -> rpa_retired_counts {
        var value = rpa_retired_counts()
        try kernel("bpf_map_lookup_elem retired_counts", rpa_map_lookup(map.number, 0, &value))
        return value
    }

    /// Adds up the tables of other sizes and removes them. No run may still count in
    /// them. If the agent is killed meanwhile, each table counts once: one call writes the sum
    /// and the name of the table that was added last.
    func addTables(except limit: Int, waitForRuns: () -> Void) throws(PoolError) {
        let stale = pool.names().compactMap(Self.limit).filter { $0 != limit }
        if stale.isEmpty { return }
        waitForRuns()
        for limit in stale {
            // Some pins are missing: the table was counted before, or never had an entry.
            let folder = pool.subfolder(TrackedExporterTable.folderName(ofLimit: limit))
            guard Set(folder.names()) == TrackedExporterTable.pinNames else {
                do { try folder.remove() } catch { throw .call(error) }
                continue
            }
            let table = try TrackedExporterTable(limit: limit, in: pool)
            do { try take(table) } catch { throw .call(error) }
        }
    }

    private func take(_ table: TrackedExporterTable) throws(KernelError) {
        let identifier = try table.identifier()
        var counts = try self.counts()
        if counts.last_table != UInt64(identifier) {
            let (tracked, untracked) = try table.read()
            for traffic in tracked.flatMap({ [$0.udp, $0.tcp] }) + [untracked] {
                counts.runs += traffic.runs
                counts.bytes += traffic.bytes
            }
            counts.evicted += try table.allocated().evicted
            counts.events_lost += try table.untrackedCounts().eventsLost
            counts.last_table = UInt64(identifier)
            try kernel("bpf_map_update_elem retired_counts", rpa_map_update(map.number, 0, &counts))
        }
        try table.folder.remove()
    }

    private static func limit(ofFolder name: String) -> Int? {
        guard name.hasPrefix(TrackedExporterTable.folderPrefix) else { return nil }
        return Int(name.dropFirst(TrackedExporterTable.folderPrefix.count))
    }
}
