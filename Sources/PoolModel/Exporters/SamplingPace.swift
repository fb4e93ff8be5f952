/// The length of the interval between an exporter's events.
///
/// The interval doubles as long as the table can't hold all exporters or events are lost,
/// and halves step by step after a while without either. A longer interval
/// also keeps the exporters that are tracked from losing their entries to addresses
/// that came once.
public struct SamplingPace: Equatable, Sendable {
    /// What has been counted until now.
    public struct Pressure: Equatable, Sendable {
        public var evicted: UInt64 = 0
        public var untrackedRuns: UInt64 = 0
        public var eventsLost: UInt64 = 0

        public init(evicted: UInt64 = 0, untrackedRuns: UInt64 = 0, eventsLost: UInt64 = 0) {
            self.evicted = evicted
            self.untrackedRuns = untrackedRuns
            self.eventsLost = eventsLost
        }
    }

    /// Times that the configured interval is doubled, 0 … `limit`.
    public private(set) var doublings = 0
    public static let limit = 6
    /// Looks without pressure before the interval is halved.
    public static let quietLooks = 3
    private var before: Pressure?
    private var quiet = 0

    public init() {}

    /// - Parameter pressure: the totals, once for each interval of the present length.
    public mutating func look(_ pressure: Pressure) {
        defer { before = pressure }
        guard let before else { return }
        if pressure != before {
            doublings = min(doublings + 1, Self.limit)
            quiet = 0
        } else if doublings > 0 {
            quiet += 1
            guard quiet >= Self.quietLooks else { return }
            doublings -= 1
            quiet = 0
        }
    }

    /// Zero stays zero, unless there is pressure: then it is the default one.
    public func interval(of configured: Duration) -> Duration {
        if doublings == 0 { return configured }
        return max(configured, Tracking.defaultInterval / 2) * (1 << doublings)
    }
}
