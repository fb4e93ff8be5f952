import CBPFShim
import PoolModel

/// The numbers of a pool's groups: the index of each group's sockarray in the map
/// group_sockets, by which the programs look into other groups.
struct GroupRegistry: ~Copyable {
    let map: Descriptor

    init(in folder: PinFolder) throws(PoolError) {
        // A temporary sockarray: the kernel takes the shape of the inner maps from it.
        let template = rpa_map_create(RPA_MAP_SOCKARRAY, "template", 8, UInt32(RPA_SOCKET_ENTRIES), -1)
        let owned = Descriptor(owning: try PoolError.check("bpf_map_create sockets", template))
        map = try folder.map(
            "group_sockets", RPA_MAP_OF_SOCKARRAYS, valueSize: 4, entries: RPA_MAX_GROUPS, template: owned.number)
    }

    /// The group's index; a group without one gets a free one.
    ///
    /// - Throws: ENOSPC: RPA_MAX_GROUPS groups have an index already.
    func number(of sockets: borrowing Descriptor) throws(PoolError) -> Int {
        let wanted = sockets.number
        let places = try all()
        return try PoolError.wrap { () throws(KernelError) in
            var identifier: UInt32 = 0
            try kernel("bpf_obj_get_info_by_fd sockets", rpa_map_id(wanted, &identifier))
            if let place = places.first(where: { $0.value == identifier }) { return place.key }
            guard let free = (0..<Int(RPA_MAX_GROUPS)).first(where: { places[$0] == nil }) else {
                throw KernelError(operation: "find a place for the group", errno: KernelError.noSpace)
            }
            var value = wanted
            try kernel("bpf_map_update_elem group_sockets", rpa_map_update(map.number, UInt32(free), &value))
            return free
        }
    }

    /// Frees the indices of all groups whose numbers are not in the list.
    func keepOnly(_ numbers: Set<Int>) throws(PoolError) {
        for number in try all().keys where !numbers.contains(number) { rpa_map_delete(map.number, UInt32(number)) }
    }

    /// The kernel's map numbers, by index.
    private func all() throws(PoolError) -> [Int: UInt32] {
        var places: [Int: UInt32] = [:]
        for index in 0..<Int(RPA_MAX_GROUPS) {
            var identifier: UInt32 = 0
            let result = rpa_map_lookup(map.number, UInt32(index), &identifier)
            if result == -KernelError.noEntry { continue }
            try PoolError.check("bpf_map_lookup_elem group_sockets", result)
            places[index] = identifier
        }
        return places
    }
}
