/// The counters behind usage events at one moment. They only grow.
public struct UsageReading: Equatable, Sendable {
    /// Of one slot of one map. Never set back as long as the map is there.
    public struct Counter: Equatable, Sendable {
        /// The kernel's number of the map: another map has counted from 0.
        public var source: UInt32
        /// The slot, or the entry, in it.
        public var index: UInt32
        /// Whom it counts for; nil: for who had it, and nobody any more.
        public var series: UsageSeries?
        /// Where the ledger doesn't know who had it.
        public var fallback: UsageSeries?
        /// Bytes.
        public var total: UInt64
        /// What the total was when the collector got the slot: what is below isn't its.
        public var base: UInt64

        public init(
            source: UInt32, index: UInt32, series: UsageSeries?, total: UInt64, base: UInt64 = 0,
            fallback: UsageSeries? = nil
        ) {
            self.source = source
            self.index = index
            self.series = series
            self.total = total
            self.base = base
            self.fallback = fallback
        }
    }

    /// Random, of the pool since it was made: with another, no map is the same.
    public var incarnation: UInt64
    public var counters: [Counter]
    /// Sources that count no more: when events of this reading are on the disk, they may go.
    public var departed: Set<UInt32>

    public init(incarnation: UInt64, counters: [Counter], departed: Set<UInt32> = []) {
        self.incarnation = incarnation
        self.counters = counters
        self.departed = departed
    }
}
