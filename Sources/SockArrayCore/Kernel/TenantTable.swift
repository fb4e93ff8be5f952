import CBPFShim

/// Who has which slot: a pinned map that the agent writes for its successor.
struct TenantTable: ~Copyable {
    private let map: Descriptor

    init(map: consuming Descriptor) { self.map = map }

    func tenant(of slot: Slot) throws(KernelError) -> Tenant? {
        var raw = rpa_tenant()
        try kernel("bpf_map_lookup_elem tenants", rpa_map_lookup(map.number, UInt32(slot.index), &raw))
        return Self.tenant(raw)
    }

    private static func tenant(_ raw: rpa_tenant) -> Tenant? {
        if raw.name.0 == 0 { return nil }
        let name = withUnsafeBytes(of: raw.name) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        let owner = raw.pid == 0 ? nil : ProcessIdentity(pid: Int32(bitPattern: raw.pid), startTime: raw.process_start)
        let drain =
            raw.draining == 0
            ? nil
            : Tenant.Drain(
                isDeparture: raw.departing != 0, deadline: raw.drain_deadline == 0 ? nil : raw.drain_deadline)
        return Tenant(name: name, owner: owner, user: raw.has_user == 0 ? nil : raw.user, drain: drain)
    }

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
        raw.departing = tenant?.drain?.isDeparture == true ? 1 : 0
        raw.drain_deadline = tenant?.drain?.deadline ?? 0
        try kernel("bpf_map_update_elem tenants", rpa_map_update(map.number, UInt32(slot.index), &raw))
    }

    /// All slots that have a name.
    func all() throws(KernelError) -> [Slot: Tenant] {
        var all = [rpa_tenant](repeating: rpa_tenant(), count: SlotAllocation.capacity)
        try kernel("bpf_map_lookup_batch tenants", rpa_map_lookup_first(map.number, UInt32(all.count), &all))
        var tenants: [Slot: Tenant] = [:]
        for (index, raw) in all.enumerated() { tenants[Slot(UInt16(index))] = Self.tenant(raw) }
        return tenants
    }
}
