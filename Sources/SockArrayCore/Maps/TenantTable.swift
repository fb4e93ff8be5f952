import CBPFShim
import PoolModel

/// The collector of each slot: a pinned map that the agent writes for its successor.
struct TenantTable: ~Copyable {
    private let map: Descriptor
    private let memory: UnsafeMutableRawPointer
    private static let size = MemoryLayout<rpa_tenant>.stride * SlotAllocation.capacity

    init(in folder: PinFolder) throws(PoolError) {
        let map = try folder.map(
            "tenants", RPA_MAP_MMAPABLE_ARRAY, valueSize: MemoryLayout<rpa_tenant>.stride, entries: RPA_MAX_SLOTS)
        var memory: UnsafeMutableRawPointer?
        try PoolError.check("mmap of tenants", rpa_map_memory(map.number, Self.size, &memory))
        self.memory = memory!
        self.map = map
    }

    deinit { rpa_unmap(memory, Self.size) }

    func tenant(of slot: Slot) -> Tenant? {
        let raw = memory.load(
            fromByteOffset: MemoryLayout<rpa_tenant>.stride * Int(slot.index), as: rpa_tenant.self)
        if raw.name.0 == 0 { return nil }
        let name = withUnsafeBytes(of: raw.name) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        func identity(_ pid: UInt32, _ startTime: UInt64) -> ProcessIdentity? {
            pid == 0 ? nil : ProcessIdentity(pid: Int32(bitPattern: pid), startTime: startTime)
        }
        let drain =
            raw.draining == 0
            ? nil
            : raw.departing == 0 ? Tenant.Drain.asked : .departed
        var tenant = Tenant(
            name: name, owner: identity(raw.pid, raw.process_start),
            keeper: identity(raw.keeper_pid, raw.keeper_start), user: raw.has_user == 0 ? nil : raw.user, drain: drain)
        tenant.isDismissed = raw.dismissed != 0
        tenant.former = identity(raw.former_pid, raw.former_start)
        tenant.isSetAside = raw.set_aside != 0
        tenant.provenRegistration = raw.proven
        return tenant
    }

    /// Writes the entry by one call: an agent that is killed leaves the old one or the new one whole.
    func set(_ tenant: Tenant?, at slot: Slot) throws(KernelError) {
        var raw = rpa_tenant()
        withUnsafeMutableBytes(of: &raw.name) { bytes in
            bytes.copyBytes(from: (tenant?.name ?? "").utf8.prefix(Int(RPA_MAX_NAME)))
        }
        raw.pid = UInt32(bitPattern: tenant?.owner?.pid ?? 0)
        raw.process_start = tenant?.owner?.startTime ?? 0
        raw.has_user = tenant?.user == nil ? 0 : 1
        raw.user = tenant?.user ?? 0
        raw.draining = tenant?.drain == nil ? 0 : 1
        raw.departing = tenant?.drain == .departed ? 1 : 0
        raw.dismissed = tenant?.isDismissed == true ? 1 : 0
        raw.former_pid = UInt32(bitPattern: tenant?.former?.pid ?? 0)
        raw.former_start = tenant?.former?.startTime ?? 0
        raw.set_aside = tenant?.isSetAside == true ? 1 : 0
        raw.proven = tenant?.provenRegistration ?? 0
        raw.keeper_pid = UInt32(bitPattern: tenant?.keeper?.pid ?? 0)
        raw.keeper_start = tenant?.keeper?.startTime ?? 0
        try kernel("bpf_map_update_elem tenants", rpa_map_update(map.number, UInt32(slot.index), &raw))
    }

    /// All slots that have a name.
    func all() -> [Slot: Tenant] {
        var tenants: [Slot: Tenant] = [:]
        for index in 0..<UInt16(SlotAllocation.capacity) {
            let slot = Slot(index)
            tenants[slot] = tenant(of: slot)
        }
        return tenants
    }
}
