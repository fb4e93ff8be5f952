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
        let path = "/sys/fs/bpf/reuseport-agent/\(pool)/tracked-\(size)/tracked"
        let map = Descriptor(owning: rpa_open_pin(path))
        let ticks = UInt32((time / Sampling.tick).rounded(.up))
        for index in 0..<UInt32(size) {
            var exporter = rpa_tracked_exporter()
            guard rpa_map_lookup(map.number, index, &exporter) == 0 else { throw LabError("no \(path)") }
            // The first ones are taken first.
            if exporter.epoch == 0 { return }
            // The program compares them as signed differences: they may go back beyond the boot.
            exporter.last_seen &-= ticks
            if exporter.notified != 0 { exporter.notified &-= ticks }
            guard rpa_map_update(map.number, index, &exporter) == 0 else { throw LabError("\(path) can't be written") }
        }
    }
}
