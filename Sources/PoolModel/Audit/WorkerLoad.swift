/// Finds collectors of which one socket in a group drops what comes, while the others have nothing to do: the
/// choice of the socket doesn't spread the traffic.
package struct WorkerLoad {
    /// One of a collector's sockets in the group.
    package struct Worker: Equatable, Sendable {
        /// SO_COOKIE.
        package var cookie: UInt64
        /// The kernel's count of this socket, modulo 2^32.
        package var drops: UInt32
        /// Bytes of memory, or connections, that wait to be read.
        package var queued: UInt64

        package init(cookie: UInt64, drops: UInt32, queued: UInt64) {
            (self.cookie, self.drops, self.queued) = (cookie, drops, queued)
        }
    }

    private struct Place: Hashable {
        let group: Int
        let slot: Slot
    }

    private var drops: [Place: [UInt64: UInt32]] = [:]
    /// Looks in a row that found the load uneven.
    private var streaks: [Place: Int] = [:]
    /// When the load was last found uneven.
    private var unevenSince: [Place: ContinuousClock.Instant] = [:]
    /// A burst isn't over as soon as one look finds no drops.
    static let memory = Duration.seconds(60)

    package init() {}

    /// - Parameters:
    ///   - group: its number.
    ///   - workers: all sockets of the slot in the group.
    /// - Returns: whether a socket has dropped something in two looks in a row, within the last minute, and had a queue
    ///   then, while at least half of them dropped nothing and had none. One look alone shows nothing: the queues of
    ///   sockets that are read in time are mostly empty, and one drop may come of a single delay.
    package mutating func isUneven(
        _ workers: [Worker], of slot: Slot, in group: Int, at now: ContinuousClock.Instant
    ) -> Bool {
        let place = Place(group: group, slot: slot)
        let before = drops.updateValue(
            Dictionary(workers.map { ($0.cookie, $0.drops) }) { $1 }, forKey: place)
        guard workers.count > 1, let before else {
            unevenSince[place] = nil
            return false
        }
        func hasDropped(_ worker: Worker) -> Bool { before[worker.cookie].map { $0 != worker.drops } ?? false }
        let idle = workers.count { $0.queued == 0 && !hasDropped($0) }
        let isUneven = workers.contains { hasDropped($0) && $0.queued > 0 } && 2 * idle >= workers.count
        streaks[place] = isUneven ? (streaks[place] ?? 0) + 1 : 0
        if streaks[place] ?? 0 > 1 { unevenSince[place] = now }
        return unevenSince[place].map { now - $0 < Self.memory } ?? false
    }
}
