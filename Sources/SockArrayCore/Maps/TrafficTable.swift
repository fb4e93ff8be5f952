import CBPFShim
import PoolModel

/// The traffic that a group's program has delivered to each slot. The program's counts are
/// never reset. A collector's counts are those since its name got the slot: a second map
/// (`bases`) keeps the counts of that moment.
struct TrafficTable: ~Copyable {
    private let counts: PinnedArray<rpa_traffic>
    private let bases: PinnedArray<rpa_base>

    init(in folder: PinFolder) throws(PoolError) {
        let counts = try PinnedArray<rpa_traffic>(
            "traffic", RPA_MAP_PERCPU_ARRAY, in: folder, entries: RPA_MAX_SLOTS)
        bases = try PinnedArray("bases", RPA_MAP_ARRAY, in: folder, entries: RPA_MAX_SLOTS)
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
        try counts.values(at: UInt32(slot.index)).reduce(into: SlotTraffic()) { $0 += SlotTraffic($1) }
    }

    /// The counts since the group was made of all slots, by index.
    func raw() throws(KernelError) -> [SlotTraffic] {
        try counts.reduce(SlotTraffic()) { $0 += SlotTraffic($1) }
    }

    /// The count of each slot when it got its present name, by index.
    func allBases() throws(KernelError) -> [SlotTraffic] { try bases.reduce(SlotTraffic()) { $0 = SlotTraffic($1) } }

    /// The slot's count when it got its present name.
    func base(of slot: Slot) throws(KernelError) -> SlotTraffic {
        SlotTraffic(try bases.values(at: UInt32(slot.index))[0])
    }

    /// Sets the base of a slot that is about to get a name, so that its count begins at 0.
    func begin(_ slot: Slot) throws(KernelError) {
        let now = try raw(of: slot)
        guard try base(of: slot) != now else { return }
        let base = rpa_base(selected: now.selected, failed_over: now.failedOver, bytes: now.bytes)
        try bases.set(base, at: UInt32(slot.index))
    }
}

extension SlotTraffic {
    fileprivate init(_ raw: rpa_traffic) {
        self.init(selected: raw.selected, failedOver: raw.failed_over, bytes: raw.bytes)
    }

    fileprivate init(_ raw: rpa_base) {
        self.init(selected: raw.selected, failedOver: raw.failed_over, bytes: raw.bytes)
    }
}
