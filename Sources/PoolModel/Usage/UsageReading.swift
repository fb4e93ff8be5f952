/// The counters behind usage events at one moment. They only grow.
public struct UsageReading: Equatable, Sendable {
    /// The counter of one slot of one map. It never decreases while the map exists.
    public struct Counter: Equatable, Sendable {
        /// The kernel's number of the map: another map counts from 0.
        public var source: UInt32
        /// Index of the slot, or of the entry, in the map.
        public var index: UInt32
        /// The series that it counts for; nil: that of its last owner, which is gone.
        public var series: UsageSeries?
        /// The series to use if the ledger doesn't know the owner.
        public var fallback: UsageSeries?
        /// Bytes.
        public var total: UInt64
        /// The total when the collector got the slot: the collector's bytes are those above.
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

    /// A random number that identifies the pool since it was made: another pool has other maps.
    public var incarnation: UInt64
    public var counters: [Counter]
    /// Sources that have stopped counting: they can be removed when events of this reading are on the disk.
    public var departed: Set<UInt32>

    public init(incarnation: UInt64, counters: [Counter], departed: Set<UInt32> = []) {
        self.incarnation = incarnation
        self.counters = counters
        self.departed = departed
    }
}
