/// Finds collectors that read nothing of what waits in their sockets: stopped (SIGSTOP), deadlocked, or waiting
/// for a disk. Their process lives and their sockets are there, so nothing else notices.
///
/// A socket shows that its collector reads if its queue is empty, or shorter than before. A queue that only grows is
/// no proof: a collector that is slower than its exporters has one, too. Therefore, while it grows, either
/// the process must have used no CPU time, or the queue must have grown by everything that came, or
/// everything that came must have been dropped.
public struct StallDetector: Sendable {
    /// A socket with a queue that isn't empty.
    public struct Reading: Equatable, Sendable {
        public var collector: String
        public var group: String
        /// SO_COOKIE.
        public var cookie: UInt64
        public var transport: ReuseportGroup.TransportProtocol
        /// UDP: bytes of memory (skb truesize) not yet read. TCP: connections not yet accepted.
        public var queued: UInt64
        /// The socket's own counter, modulo 2^32.
        public var drops: UInt32
        /// Runs and bytes that the program has delivered to the slot in this group.
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

    /// The least that the kernel charges for a datagram beside its payload: struct sk_buff and
    /// skb_shared_info (SKB_TRUESIZE in include/linux/skbuff.h).
    static let leastOverhead: UInt64 = 500

    public init() {}

    /// - Parameters:
    ///   - readings: all registered sockets whose queue isn't empty.
    ///   - limit: how long a collector may read nothing.
    /// - Returns: for each collector that has read nothing for so long, the group in which it is so.
    public mutating func look(
        _ readings: [Reading], at now: ContinuousClock.Instant, after limit: Duration
    ) -> [String: String] {
        var next: [UInt64: Watched] = [:]
        var stalled: [String: String] = [:]
        for reading in readings.sorted(by: { $0.group < $1.group }) {
            // Its queue was empty at the last look, or it had none.
            var readAt = lastLook ?? now
            if let before = watched[reading.cookie] {
                readAt = Self.hasRead(from: before.last, to: reading) ? now : before.readAt
            }
            next[reading.cookie] = Watched(last: reading, readAt: readAt)
            if now - readAt >= limit, stalled[reading.collector] == nil { stalled[reading.collector] = reading.group }
        }
        (watched, lastLook) = (next, now)
        return stalled
    }

    private static func hasRead(from before: Reading, to now: Reading) -> Bool {
        if now.queued < before.queued { return true }
        let isIdle = now.cpuTicks.map { ticks in before.cpuTicks == ticks }
        guard now.transport == .udp else { return isIdle == false }
        let came = now.traffic.runs - before.traffic.runs
        // Nothing came, and nothing was taken.
        if came == 0 || isIdle == true { return false }
        let dropped = UInt64(now.drops &- before.drops)
        if dropped > 0 { return dropped * 100 < came * 99 }
        let bytes = now.traffic.bytes - before.traffic.bytes
        return now.queued - before.queued < came * leastOverhead + bytes
    }
}
