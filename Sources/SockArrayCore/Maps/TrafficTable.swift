import CBPFShim
import PoolModel

/// The traffic that a group's program has delivered to each slot. The program's counts are
/// never reset. A collector's counts are those since its name got the slot: a second map
/// (`bases`) keeps the counts of that moment.
struct TrafficTable: ~Copyable {
    private let counts: PerCPUArray<rpa_traffic>
    private let bases: Descriptor

    init(in folder: PinFolder) throws(PoolError) {
        let counts = try PerCPUArray<rpa_traffic>("traffic", in: folder, entries: RPA_MAX_SLOTS)
        bases = try folder.map(
            "bases", RPA_MAP_ARRAY, valueSize: MemoryLayout<rpa_base>.size, entries: RPA_MAX_SLOTS)
        self.counts = counts
    }

    var map: Descriptor { _read { yield counts.map } }

    /// The kernel's number of the map with the counts.
    func identity() throws(KernelError) -> UInt32 {
        var identity: UInt32 = 0
        try kernel("bpf_map_get_info traffic", rpa_map_id(counts.map.number, &identity))
        return identity
    }

    /// The slot's count since the group was made, for all its collectors; it never decreases.
    func raw(of slot: Slot) throws(KernelError) -> SlotTraffic {
        try counts.values(at: UInt32(slot.index)).reduce(into: SlotTraffic()) { sum, cpu in
            sum += SlotTraffic(selected: cpu.selected, failedOver: cpu.failed_over, bytes: cpu.bytes)
        }
    }

    /// The counts since the group was made of all slots, by index.
    func raw() throws(KernelError) -> [SlotTraffic] {
        try counts.reduce(SlotTraffic()) { sum, cpu in
            sum += SlotTraffic(selected: cpu.selected, failedOver: cpu.failed_over, bytes: cpu.bytes)
        }
    }

    /// The count of each slot when it got its present name, by index.
    func allBases() throws(KernelError) -> [SlotTraffic] {
        var all = [rpa_base](repeating: rpa_base(), count: SlotAllocation.capacity)
        try kernel(
            "bpf_map_lookup_batch bases",
            rpa_map_lookup_all(bases.number, UInt32(all.count), MemoryLayout<rpa_base>.stride, &all))
        return all.map { SlotTraffic(selected: $0.selected, failedOver: $0.failed_over, bytes: $0.bytes) }
    }

    /// The slot's count when it got its present name.
    func base(of slot: Slot) throws(KernelError) -> SlotTraffic {
        var base = rpa_base()
        try kernel("bpf_map_lookup_elem bases", rpa_map_lookup(bases.number, UInt32(slot.index), &base))
        return SlotTraffic(selected: base.selected, failedOver: base.failed_over, bytes: base.bytes)
    }

    /// Sets the base of a slot that is about to get a name, so that its count begins at 0. By one
    /// call: an agent that is killed leaves the old base or the new one whole.
    func begin(_ slot: Slot) throws(KernelError) {
        let now = try raw(of: slot)
        guard try base(of: slot) != now else { return }
        var base = rpa_base(selected: now.selected, failed_over: now.failedOver, bytes: now.bytes)
        try kernel("bpf_map_update_elem bases", rpa_map_update(bases.number, UInt32(slot.index), &base))
    }
}
