/// What the program has counted of one address: an entry of GET /exporters.
///
/// Counters are cumulative since the address was first seen, or came back after its
/// entry had left for want of room.
public struct ExporterStatus: Equatable, Sendable, Codable {
    /// Canonical text (RFC 5952).
    public var address: String
    /// The collector that received the last run; nil: none yet.
    public var collector: String?
    /// Unix time in seconds.
    public var firstSeen: Double
    /// Unix time in seconds.
    public var lastSeen: Double
    public var udp: ExporterTraffic
    public var tcp: ExporterTraffic

    public init(
        address: String, collector: String?, firstSeen: Double, lastSeen: Double, udp: ExporterTraffic,
        tcp: ExporterTraffic
    ) {
        self.address = address
        self.collector = collector
        self.firstSeen = firstSeen
        self.lastSeen = lastSeen
        self.udp = udp
        self.tcp = tcp
    }
}

/// Runs of the program, and their bytes, delivered or not.
public struct ExporterTraffic: Equatable, Sendable, Codable {
    /// SYNs, datagrams, or trains of datagrams (UDP GRO).
    public var runs: UInt64
    /// UDP header and payload, or the TCP header of a SYN.
    public var bytes: UInt64

    public init(runs: UInt64 = 0, bytes: UInt64 = 0) {
        self.runs = runs
        self.bytes = bytes
    }

    public static func += (left: inout Self, right: Self) {
        left.runs += right.runs
        left.bytes += right.bytes
    }
}

/// The state of the table of tracked exporters.
public struct TrackingStatus: Equatable, Sendable, Codable {
    /// Source addresses that the table has room for; 0: tracking is off.
    public var size: Int
    /// Source addresses that have counts of their own now.
    public var tracked: Int
    /// Source addresses that sent something within the last interval; nil: no interval has passed
    /// yet, or each run is notified.
    public var active: Int?
    /// Part of the table that is in use, 0 … 1.
    public var fill: Double
    /// Minimum seconds between two notifications about one exporter; 0: one for each run.
    public var interval: Double
    /// The configured interval; `interval` is longer while the table is full or notifications are lost.
    public var configuredInterval: Double
    /// Traffic of exporters without counts of their own.
    public var untracked: ExporterTraffic
    /// Entries that were displaced from the full table; `untracked` has their counts.
    public var evicted: UInt64
    /// Notifications that were lost on their way to the agent.
    public var eventsLost: UInt64

    public init(
        size: Int, tracked: Int = 0, active: Int? = nil, fill: Double, interval: Double, configuredInterval: Double,
        untracked: ExporterTraffic,
        evicted: UInt64, eventsLost: UInt64
    ) {
        self.size = size
        self.tracked = tracked
        self.active = active
        self.fill = fill
        self.interval = interval
        self.configuredInterval = configuredInterval
        self.untracked = untracked
        self.evicted = evicted
        self.eventsLost = eventsLost
    }
}
