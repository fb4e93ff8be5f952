import CBPFShim
import PoolModel
import SockArrayCore
import TelemetryLab
import TestSupport

extension PinnedMaps {
    /// Pretends that time passed: sets back when exporters were seen and when the agent was notified of them.
    ///
    /// - Parameter size: of the table.
    static func ageTrackedExporters(_ time: Duration, size: Int, pool: String = "edge") throws {
        let ticks = UInt32((time / Sampling.tick).rounded(.up))
        try eachTrackedExporter(of: size, pool) { exporter in
            // The program compares them as signed differences: they may go back beyond the boot.
            exporter.last_seen &-= ticks
            if exporter.notified != 0 { exporter.notified &-= ticks }
            return true
        }
    }

    /// When the program noted last that each exporter was seen, by IPv4 address: it lets the agent know of later
    /// runs by its counters. In ticks.
    ///
    /// - Parameter size: of the table.
    static func lastNotes(ofTable size: Int, pool: String = "edge") throws -> [IPAddress: UInt32] {
        var notes: [IPAddress: UInt32] = [:]
        try eachTrackedExporter(of: size, pool) { exporter in
            notes[IPAddress.v6(exporter.high, exporter.low).unmapped] = exporter.last_seen
            return false
        }
        return notes
    }

    /// - Parameter body: changes the exporter's entry, and returns whether it has.
    private static func eachTrackedExporter(
        of size: Int, _ pool: String, _ body: (inout rpa_tracked_exporter) -> Bool
    ) throws {
        let path = "/sys/fs/bpf/reuseport-agent/\(pool)/tracked-\(size)/tracked"
        let map = Descriptor(owning: rpa_open_pin(path))
        // One and a half times as many entries as exporters, rounded to whole buckets.
        for index in 0..<UInt32(2 * size) {
            var exporter = rpa_tracked_exporter()
            guard rpa_map_lookup(map.number, index, &exporter) == 0 else {
                if index >= size { return }
                throw LabError("no \(path)")
            }
            if exporter.epoch == 0 { continue }
            guard body(&exporter) else { continue }
            guard rpa_map_update(map.number, index, &exporter) == 0 else { throw LabError("\(path) can't be written") }
        }
    }
}
