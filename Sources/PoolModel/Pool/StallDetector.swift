/// Finds collectors that read nothing of what waits in their sockets: stopped (SIGSTOP), deadlocked, or waiting
/// for a disk. Their process lives and their sockets are there, so nothing else notices.
///
/// A socket shows that its collector reads if its queue is empty, or shorter than before. A queue that only grows is
/// no proof: a collector that is slower than its exporters has one, too. Therefore, while something comes, either
/// the process must have used no CPU time, or everything that came must have been dropped. How much the queue has
/// grown says nothing: the kernel charges a small datagram with 700 to 4,400 bytes (truesize), by the driver.
public struct StallDetector: Sendable {
    /// A collector whose queues in a group aren't all empty: the sums of its sockets there.
    public struct Reading: Equatable, Sendable {
        public var collector: String
        public var group: String
        /// SO_COOKIE, of several sockets the least one.
        public var cookie: UInt64
        public var transport: ReuseportGroup.TransportProtocol
        /// UDP: bytes of memory (skb truesize) not yet read. TCP: connections not yet accepted.
        public var queued: UInt64
        /// The sockets' own counters, modulo 2^32.
        public var drops: UInt32
        /// What the program has delivered to the slot in this group.
        public var traffic: SlotTraffic
        /// CPU time of the process, in clock ticks; nil: unknown.
        public var cpuTicks: UInt64?

        public init(
            collector: String, group: String, cookie: UInt64, transport: ReuseportGroup.TransportProtocol,
            queued: UInt64, drops: UInt32 = 0, traffic: SlotTraffic = SlotTraffic(), cpuTicks: UInt64? = nil
        ) {
            (self.collector, self.group, self.cookie, self.transport) = (collector, group, cookie, transport)
            (self.queued, self.drops, self.traffic, self.cpuTicks) = (queued, drops, traffic, cpuTicks)
        }
    }

    private struct Watched {
        var last: Reading
        /// When the collector was last known to read.
        var readAt: ContinuousClock.Instant
    }

    private var watched: [UInt64: Watched] = [:]
    private var lastLook: ContinuousClock.Instant?

    public init() {}

    /// - Parameters:
    ///   - readings: all registered collectors whose queues aren't empty.
    ///   - limit: how long a collector may read nothing.
    ///   - presumed: collectors that were stalled when another detector looked at them last.
    /// - Returns: for each collector that has read nothing for so long, the group in which it is so.
    public mutating func look(
        _ readings: [Reading], at now: ContinuousClock.Instant, after limit: Duration, presumed: Set<String> = []
    ) -> [String: String] {
        var next: [UInt64: Watched] = [:]
        var stalled: [String: String] = [:]
        for reading in readings.sorted(by: { $0.group < $1.group }) {
            // Its queue was empty at the last look, or it had none.
            var readAt = lastLook ?? (presumed.contains(reading.collector) ? now - limit : now)
            if let before = watched[reading.cookie] {
                readAt = Self.hasRead(from: before.last, to: reading) ? now : before.readAt
            }
            next[reading.cookie] = Watched(last: reading, readAt: readAt)
            if now - readAt >= limit, stalled[reading.collector] == nil { stalled[reading.collector] = reading.group }
        }
        (watched, lastLook) = (next, now)
        return stalled
    }

    /// When the next collector counts as stalled if it goes on reading nothing; nil: none of the readings is so near.
    public func nextStall(after limit: Duration) -> ContinuousClock.Instant? {
        guard let lastLook else { return nil }
        return watched.values.lazy.map { $0.readAt + limit }.filter { $0 > lastLook }.min()
    }

    private static func hasRead(from before: Reading, to now: Reading) -> Bool {
        // The socket got another slot, or the counters are new ones.
        if now.collector != before.collector || now.traffic.runs < before.traffic.runs { return true }
        if now.queued < before.queued { return true }
        let isIdle = now.cpuTicks.map { ticks in before.cpuTicks == ticks }
        guard now.transport == .udp else { return isIdle == false }
        let came = now.traffic.runs - before.traffic.runs
        // Nothing came, and nothing was taken.
        if came == 0 || isIdle == true { return false }
        // More drops than runs: a run may be a train of datagrams, of which some are read.
        let dropped = UInt64(now.drops &- before.drops)
        return dropped > came || dropped * 100 < came * 99
    }
}
