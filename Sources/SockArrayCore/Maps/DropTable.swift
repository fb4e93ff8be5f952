import CBPFShim
import PoolModel

/// Socket drops of each slot's collector: a pinned map that the agent writes for its
/// successor.
struct DropTable: ~Copyable {
    private let map: Descriptor

    init(in folder: PinFolder) throws(PoolError) {
        map = try folder.map(
            "drops", RPA_MAP_ARRAY, valueSize: MemoryLayout<rpa_drops>.size, entries: RPA_MAX_SLOTS)
    }

    func drops(of slot: Slot) throws(KernelError) -> SocketDrops {
        var raw = rpa_drops()
        try kernel("bpf_map_lookup_elem drops", rpa_map_lookup(map.number, UInt32(slot.index), &raw))
        let readings = withUnsafeBytes(of: raw.readings) { bytes in
            bytes.bindMemory(to: rpa_drop_reading.self).map {
                SocketDrops.Reading(cookie: $0.cookie, drops: UInt32(truncatingIfNeeded: $0.drops))
            }
        }
        return SocketDrops(total: raw.total, readings: readings.filter { $0.cookie != 0 })
    }

    /// The drops of all slots, by index.
    func totals() throws(KernelError) -> [UInt64] {
        var all = [rpa_drops](repeating: rpa_drops(), count: SlotAllocation.capacity)
        try kernel(
            "bpf_map_lookup_batch drops",
            rpa_map_lookup_all(map.number, UInt32(all.count), MemoryLayout<rpa_drops>.stride, &all))
        return all.map(\.total)
    }

    /// Writes the value by one call: an agent that is killed leaves the old value or the new one whole.
    func set(_ drops: SocketDrops, of slot: Slot) throws(KernelError) {
        var raw = rpa_drops()
        raw.total = drops.total
        withUnsafeMutableBytes(of: &raw.readings) { bytes in
            let all = bytes.bindMemory(to: rpa_drop_reading.self)
            for (index, reading) in drops.readings.enumerated() {
                all[index] = rpa_drop_reading(cookie: reading.cookie, drops: UInt64(reading.drops))
            }
        }
        try kernel("bpf_map_update_elem drops", rpa_map_update(map.number, UInt32(slot.index), &raw))
    }
}
