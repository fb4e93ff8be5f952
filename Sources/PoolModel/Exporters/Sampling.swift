/// The minimum time between two notifications about an exporter, in the program's unit: ticks.
public struct Sampling: Equatable, Sendable {
    /// The unit of the tracked exporters' times: 2^28 ns.
    public static let tick = Duration.nanoseconds(1 << 28)

    /// Ticks between two events of an exporter; 0: each of its runs is one.
    package var interval: UInt32
    /// Ticks after which a silent exporter may lose its entry to another.
    package var idle: UInt32

    /// - Parameter interval: zero: each run.
    public init(interval: Duration) {
        guard interval > .zero else {
            (self.interval, idle) = (0, Self.ticks(Tracking.defaultInterval))
            return
        }
        self.interval = Self.ticks(interval)
        // One interval: the program notes up to half of one late that an exporter was seen.
        idle = self.interval + self.interval / 2
    }

    /// How often the program updates the entry of an exporter that sends.
    package var updatePeriod: Duration { Self.tick * Int(interval / 2) }

    /// One more than is needed: a tick is over any time after it began.
    private static func ticks(_ duration: Duration) -> UInt32 {
        UInt32(clamping: Int((duration / Self.tick).rounded(.up)) + 1)
    }

    package init(word: UInt64) {
        interval = UInt32(word >> 32)
        idle = UInt32(truncatingIfNeeded: word)
    }

    package var word: UInt64 { UInt64(interval) << 32 | UInt64(idle) }
}
