import CBPFShim

/// Which slot the program sent a TCP peer to, and when. Entries outlive their sessions: they
/// mean something only together with what sock_diag tells is alive.
struct SessionTable: ~Copyable {
    let map: Descriptor

    init(in folder: PinFolder) throws(PlaneError) {
        map = try folder.map(
            "sessions", RPA_MAP_SESSIONS, valueSize: MemoryLayout<rpa_session_start>.stride, entries: RPA_SESSIONS)
    }

    /// Nil: the program has not seen it begin, or has forgotten.
    ///
    /// - Parameter group: the number of the group.
    func slot(ofPeer address: IPAddress, port: UInt16, group: Int) -> Slot? {
        start(ofPeer: address, port: port, group: group)?.slot
    }

    /// As `slot`, with the time of its SYN since boot (CLOCK_MONOTONIC), if the program saw it.
    func start(ofPeer address: IPAddress, port: UInt16, group: Int) -> (slot: Slot, time: Duration?)? {
        var key = Self.key(address, port, group)
        var start = rpa_session_start()
        guard rpa_session_lookup(map.number, &key, &start) == 0 else { return nil }
        return (
            Slot(UInt16(truncatingIfNeeded: start.slot)), start.time == 0 ? nil : .nanoseconds(Int64(start.time))
        )
    }

    /// Of a session that began unseen.
    func note(_ slot: Slot, ofPeer address: IPAddress, port: UInt16, group: Int) {
        var key = Self.key(address, port, group)
        var start = rpa_session_start(time: 0, slot: UInt32(slot.index), unused: 0)
        rpa_session_update(map.number, &key, &start)
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
