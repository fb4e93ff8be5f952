import CBPFShim
import PoolModel

/// The REUSEPORT_SOCKARRAY of one group: a socket for each entry.
///
/// An entry holds no reference to its socket: the kernel removes the entry when the last
/// descriptor of the socket is closed, in any process.
package struct SocketArray: ~Copyable {
    package let map: Descriptor

    init(map: consuming Descriptor) { self.map = map }

    /// SO_COOKIE of the entry's socket, or nil if there is none.
    func cookie(at entry: SocketEntry) throws(KernelError) -> UInt64? {
        var cookie: UInt64 = 0
        let result = rpa_map_lookup(map.number, entry.index, &cookie)
        if result == -KernelError.noEntry { return nil }
        try kernel("bpf_map_lookup_elem sockets", result)
        return cookie
    }

    /// SO_COOKIE of all slots' sockets, in a few milliseconds: for a pool whose spans aren't known.
    func cookies() throws(KernelError) -> [SocketEntry: UInt64] {
        var cookies: [SocketEntry: UInt64] = [:]
        for index in 0..<SocketEntry.limit {
            let entry = SocketEntry(index: index)
            if let cookie = try cookie(at: entry) { cookies[entry] = cookie }
        }
        return cookies
    }

    /// Puts the socket into the entry and replaces the previous socket in one step.
    ///
    /// - Throws: EBUSY: the socket is in an entry of some sockarray already. EINVAL: it
    ///   isn't bound, was bound without SO_REUSEPORT, or doesn't listen.
    func place(_ socket: borrowing Descriptor, at entry: SocketEntry) throws(KernelError) {
        var value = UInt64(socket.number)
        try kernel("bpf_map_update_elem sockets", rpa_map_update(map.number, entry.index, &value))
    }

    /// Removes the entry's socket, if there is one.
    func clear(_ entry: SocketEntry) throws(KernelError) {
        let result = rpa_map_delete(map.number, entry.index)
        if result == -KernelError.noEntry { return }
        try kernel("bpf_map_delete_elem sockets", result)
    }
}
