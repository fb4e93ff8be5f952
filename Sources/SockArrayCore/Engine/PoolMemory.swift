import CBPFShim
import PoolModel

/// How much memory a pool takes, so that a limit can be named that is high enough.
public enum PoolMemory {
    /// Bytes of the agent itself and of what loading a program takes for a moment: measured
    /// with 2 and 4 groups, rounded up.
    private static let agentBytes: UInt64 = 24 << 20

    /// Bytes for the agent and its maps, about: a few percent too much.
    public static func need(of configuration: PoolConfiguration) -> UInt64 {
        agentBytes + mapBytes(of: configuration, cpuCount: max(1, Int(rpa_possible_cpus())))
    }

    /// Bytes of the maps, with a second generation, as each reload makes one.
    package static func mapBytes(of configuration: PoolConfiguration, cpuCount: Int) -> UInt64 {
        let shape = AssignmentTable(configuration).shape
        let rows = Int(shape.rowCount)
        let exporters =
            configuration.exporters.isEmpty ? 0 : 4 * configuration.exporters.map(\.prefixes.count).reduce(0, +)
        let generation = rows * 9 + exporters * MemoryLayout<rpa_exporter>.stride
        // Key, value, and the kernel's own part of an entry (struct htab_elem, and its place in the list).
        let session = MemoryLayout<rpa_session>.stride + MemoryLayout<rpa_session_start>.stride + 72
        let slot =
            MemoryLayout<rpa_traffic>.stride * cpuCount + MemoryLayout<rpa_base>.stride
            + MemoryLayout<rpa_drops>.stride
            // An entry of the sockarray for each worker.
            + SocketEntry.workerLimit * MemoryLayout<UInt64>.stride
        let pool =
            Int(RPA_MAX_SLOTS) * (MemoryLayout<rpa_slot>.stride + MemoryLayout<rpa_tenant>.stride + 64)
            + Int(RPA_SESSIONS) * session + Int(RPA_EXPORTER_EVENT_BYTES)
        return UInt64(
            2 * generation + pool + configuration.groups.count * Int(RPA_MAX_SLOTS) * slot
                + tracking(configuration.tracking.size, cpuCount))
    }

    private static func tracking(_ limit: Int, _ cpuCount: Int) -> Int {
        guard limit > 0 else { return 0 }
        let shape = TrackingSizes(limit: limit, cpuCount: cpuCount)
        return shape.entries
            * (MemoryLayout<rpa_tracked_exporter>.stride + shape.blocks * MemoryLayout<rpa_cpu_counters>.stride)
    }
}
