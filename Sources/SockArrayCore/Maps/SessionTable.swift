import CBPFShim
import Glibc
import PoolModel

/// The slot that the program sent each TCP peer to, and the time. Entries outlive their
/// sessions: use them only together with the live sessions that sock_diag lists.
struct SessionTable: ~Copyable {
    let map: Descriptor

    init(in folder: PinFolder) throws(PoolError) {
        map = try folder.map(
            "sessions", RPA_MAP_SESSIONS, valueSize: MemoryLayout<rpa_session_start>.stride, entries: RPA_SESSIONS)
    }

    /// The session's slot. Nil: the program didn't see it begin, or its entry was evicted.
    ///
    /// - Parameter group: the group's number.
    func slot(ofPeer address: IPAddress, port: UInt16, group: Int) -> Slot? {
        start(ofPeer: address, port: port, group: group)?.slot
    }

    /// As `slot`, with the time of the SYN since boot (CLOCK_MONOTONIC), if the program saw it.
    func start(ofPeer address: IPAddress, port: UInt16, group: Int) -> (slot: Slot, time: Duration?)? {
        var key = Self.key(address, port, group)
        var start = rpa_session_start()
        guard rpa_session_lookup(map.number, &key, &start) == 0 else { return nil }
        return (
            Slot(UInt16(truncatingIfNeeded: start.slot)), start.time == 0 ? nil : .nanoseconds(Int64(start.time))
        )
    }

    /// Records a session whose begin the program didn't see.
    func note(_ slot: Slot, ofPeer address: IPAddress, port: UInt16, group: Int) {
        var key = Self.key(address, port, group)
        var start = rpa_session_start(time: 0, slot: UInt32(slot.index), unused: 0)
        rpa_session_update(map.number, &key, &start)
    }

    /// All entries; entries that are added or removed during the call can be missing.
    func all() throws(KernelError) -> [(key: SessionKey, start: UInt64)] {
        var keys: UnsafeMutablePointer<rpa_session>?
        var starts: UnsafeMutablePointer<rpa_session_start>?
        let count = try kernel("bpf_map_lookup_batch sessions", rpa_session_all(map.number, &keys, &starts))
        defer {
            free(keys)
            free(starts)
        }
        return (0..<Int(count)).map { (SessionKey(raw: keys![$0]), starts![$0].time) }
    }

    /// - Parameter moment: entries of sessions that began after it stay (CLOCK_MONOTONIC, nanoseconds).
    func forget(_ key: SessionKey, until moment: UInt64) {
        var raw = key.raw
        rpa_session_delete(map.number, &raw, moment)
    }

    private static func key(_ address: IPAddress, _ port: UInt16, _ group: Int) -> rpa_session {
        SessionKey(peer: address, port: port, group: group).raw
    }
}

/// The key of a session: the peer's address and port, and the number of the group.
struct SessionKey: Hashable {
    private let high, low: UInt64
    private let port, group: UInt32

    init(peer address: IPAddress, port: UInt16, group: Int) {
        (high, low) = address.words
        (self.port, self.group) = (UInt32(port), UInt32(group))
    }

    init(raw: rpa_session) { (high, low, port, group) = (raw.high, raw.low, raw.port, raw.group) }

    var raw: rpa_session { rpa_session(high: high, low: low, port: port, group: group) }
}
