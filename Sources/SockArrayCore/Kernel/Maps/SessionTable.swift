import CBPFShim

/// Which slot the program sent a TCP peer to. Entries outlive their sessions: they
/// mean something only together with what sock_diag tells is alive.
struct SessionTable: ~Copyable {
    let map: Descriptor

    init(in folder: PinFolder) throws(PlaneError) {
        map = try folder.map(
            "sessions", RPA_MAP_SESSIONS, valueSize: MemoryLayout<UInt32>.size, entries: RPA_SESSIONS)
    }

    /// Nil: the program has not seen it begin, or has forgotten.
    ///
    /// - Parameter group: the number of the group.
    func slot(ofPeer address: IPAddress, port: UInt16, group: Int) -> Slot? {
        var key = Self.key(address, port, group)
        var slot: UInt32 = 0
        guard rpa_session_lookup(map.number, &key, &slot) == 0 else { return nil }
        return Slot(UInt16(truncatingIfNeeded: slot))
    }

    func note(_ slot: Slot, ofPeer address: IPAddress, port: UInt16, group: Int) {
        var key = Self.key(address, port, group)
        rpa_session_update(map.number, &key, UInt32(slot.index))
    }

    func forget(peer address: IPAddress, port: UInt16, group: Int) {
        var key = Self.key(address, port, group)
        rpa_session_delete(map.number, &key)
    }

    private static func key(_ address: IPAddress, _ port: UInt16, _ group: Int) -> rpa_session {
        let (high, low) = address.words
        return rpa_session(high: high, low: low, port: UInt32(port), group: UInt32(group))
    }
}
