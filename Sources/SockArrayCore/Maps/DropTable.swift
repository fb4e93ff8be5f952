import CBPFShim
import PoolModel

/// Socket drops of each slot's collector: a pinned map that the agent writes for its
/// successor.
struct DropTable: ~Copyable {
    private let entries: PinnedArray<rpa_drops>

    init(in folder: PinFolder) throws(PoolError) {
        entries = try PinnedArray("drops", RPA_MAP_ARRAY, in: folder, entries: RPA_MAX_SLOTS)
    }

    func drops(of slot: Slot) throws(KernelError) -> SocketDrops {
        let raw = try entries.values(at: UInt32(slot.index))[0]
        let readings = withUnsafeBytes(of: raw.readings) { bytes in
            bytes.bindMemory(to: rpa_drop_reading.self).map {
                SocketDrops.Reading(cookie: $0.cookie, drops: UInt32(truncatingIfNeeded: $0.drops))
            }
        }
        return SocketDrops(total: raw.total, readings: readings.filter { $0.cookie != 0 })
    }

    func set(_ drops: SocketDrops, of slot: Slot) throws(KernelError) {
        var raw = rpa_drops()
        raw.total = drops.total
        withUnsafeMutableBytes(of: &raw.readings) { bytes in
            let all = bytes.bindMemory(to: rpa_drop_reading.self)
            for (index, reading) in drops.readings.enumerated() {
                all[index] = rpa_drop_reading(cookie: reading.cookie, drops: UInt64(reading.drops))
            }
        }
        try entries.set(raw, at: UInt32(slot.index))
    }
}
