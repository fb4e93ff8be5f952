import CBPFShim
import PoolModel

/// The REUSEPORT_SOCKARRAY of one group: a socket for each slot.
///
/// An entry holds no reference to its socket: the kernel removes the entry when the last
/// descriptor of the socket is closed, in any process.
package struct SocketArray: ~Copyable {
    package let map: Descriptor

    init(map: consuming Descriptor) { self.map = map }

    /// SO_COOKIE of the slot's socket, or nil if the slot is empty.
    func cookie(at slot: Slot) throws(KernelError) -> UInt64? {
        var cookie: UInt64 = 0
        let result = rpa_map_lookup(map.number, UInt32(slot.index), &cookie)
        if result == -KernelError.noEntry { return nil }
        try kernel("bpf_map_lookup_elem sockets", result)
        return cookie
    }

    /// The slot that has the socket with this SO_COOKIE.
    func slot(of cookie: UInt64) -> Slot? {
        (0..<UInt16(SlotAllocation.capacity)).map(Slot.init).first { ((try? self.cookie(at: $0)) ?? nil) == cookie }
    }

    /// Puts the socket into the slot and replaces the previous socket in one step.
    ///
    /// - Throws: EBUSY: the socket is in a slot of some sockarray already. EINVAL: it
    ///   isn't bound, was bound without SO_REUSEPORT, or doesn't listen.
    func place(_ socket: borrowing Descriptor, at slot: Slot) throws(KernelError) {
        var value = UInt64(socket.number)
        try kernel(
            "bpf_map_update_elem sockets", rpa_map_update(map.number, UInt32(slot.index), &value))
    }

    /// Removes the slot's socket, if there is one.
    func clear(_ slot: Slot) throws(KernelError) {
        let result = rpa_map_delete(map.number, UInt32(slot.index))
        if result == -KernelError.noEntry { return }
        try kernel("bpf_map_delete_elem sockets", result)
    }
}
