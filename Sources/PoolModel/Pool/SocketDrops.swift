/// Drops of the sockets of one collector in one group, those that have ended included. The total never
/// decreases, in whatever order the sockets are read.
///
/// The kernel counts from the creation of each socket and discards the count with the
/// socket (sk_drops): drops between the last reading and the end are lost.
public struct SocketDrops: Equatable, Sendable {
    public private(set) var total: UInt64
    /// The latest readings, newest first. A socket that is put back in place of its successor
    /// doesn't count twice.
    public private(set) var readings: [Reading]

    public struct Reading: Equatable, Sendable {
        /// SO_COOKIE.
        public var cookie: UInt64
        /// The part of the socket's count that is in the total; modulo 2^32, as in the kernel.
        public var drops: UInt32

        public init(cookie: UInt64, drops: UInt32) {
            self.cookie = cookie
            self.drops = drops
        }
    }

    /// Number of readings that are kept (RPA_DROP_READINGS).
    package static let capacity = 2 * SocketEntry.workerLimit

    public init(total: UInt64 = 0, readings: [Reading] = []) {
        self.total = total
        self.readings = readings
    }

    /// - Parameters:
    ///   - drops: the kernel's count for the socket, modulo 2^32.
    ///   - cookie: the socket's cookie.
    public mutating func note(_ drops: UInt32, of cookie: UInt64) {
        let known = readings.firstIndex { $0.cookie == cookie }
        let more = drops &- (known.map { readings[$0].drops } ?? 0)
        // A late, earlier count is behind the last one; a count past the wrap is ahead.
        guard more != 0, known == nil || more < 1 << 31 else { return }
        total += UInt64(more)
        if let known { readings.remove(at: known) }
        readings.insert(Reading(cookie: cookie, drops: drops), at: 0)
        if readings.count > Self.capacity { readings.removeLast() }
    }
}
