/// What the program has counted of one address: an entry of GET /exporters.
///
/// Counters are cumulative since the address was first seen, or came back after its
/// entry had left for want of room.
public struct TrackedExporter: Equatable, Sendable, Codable {
    /// Canonical text (RFC 5952).
    public var address: String
    /// Who got its last run; nil: nobody yet.
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

/// How well the pool's exporters are kept track of.
public struct TrackingStatus: Equatable, Sendable, Codable {
    /// Exporters that there is room for; 0: none is tracked.
    public var size: Int
    /// Exporters that are told apart now.
    public var tracked: Int
    /// Those that sent something within the last interval; nil: there was none yet, or
    /// each run is told.
    public var active: Int?
    /// Part of the room that is taken, 0 … 1.
    public var fill: Double
    /// Seconds between two events of one exporter; 0: each run is one.
    public var interval: Double
    /// The interval that the configuration asks for; `interval` is longer while the table is full.
    public var configuredInterval: Double
    /// What could not be told apart for want of room: its runs are in no exporter's counts.
    public var untracked: ExporterTraffic
    /// Entries that left for want of room, their counts to `untracked`.
    public var evicted: UInt64
    /// Events that found no room on their way to the agent.
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
