/// A TCP session of an exporter with a collector: an entry of `sessions` in
/// GET /exporters/ADDRESS.
public struct BMPSession: Equatable, Sendable, Codable {
    /// The group's name.
    public var group: String
    /// Who has accepted it, or is to; nil: it isn't known.
    public var collector: String?
    /// The exporter's port.
    public var peerPort: UInt16
    /// Unix time in seconds; nil: it isn't known.
    public var upSince: Double?
    /// Payload, as the kernel counts it.
    public var bytesReceived: UInt64
    /// The kernel's smoothed round-trip time, in seconds.
    public var rtt: Double
    /// The least that was measured, in seconds; nil: none was.
    public var minRtt: Double?

    public init(
        group: String, collector: String?, peerPort: UInt16, upSince: Double?, bytesReceived: UInt64, rtt: Double,
        minRtt: Double?
    ) {
        self.group = group
        self.collector = collector
        self.peerPort = peerPort
        self.upSince = upSince
        self.bytesReceived = bytesReceived
        self.rtt = rtt
        self.minRtt = minRtt
    }
}

/// The TCP sessions of one exporter.
public struct BMPSessions: Equatable, Sendable {
    /// More of one address are counted, and not told one by one: a hostile one, or one
    /// that many routers are behind, may have as many as there are ports.
    public static let limit = 64

    /// How many there are.
    public private(set) var count = 0
    /// At most `limit` of them, the first that were found.
    public private(set) var listed: [BMPSession] = []

    public init() {}

    /// - Parameter session: not asked for beyond the limit.
    public mutating func add(_ session: () -> BMPSession) {
        count += 1
        if listed.count < Self.limit { listed.append(session()) }
    }
}
