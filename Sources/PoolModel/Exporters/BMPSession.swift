/// A TCP session of an exporter with a collector: an entry of `sessions` in
/// GET /exporters/ADDRESS.
public struct BMPSession: Equatable, Sendable, Codable {
    /// The group's name.
    public var group: String
    /// The collector that has accepted the session, or will; nil: unknown.
    public var collector: String?
    /// The exporter's port.
    public var peerPort: UInt16
    /// Unix time in seconds; nil: unknown.
    public var upSince: Double?
    /// Bytes of payload, as the kernel counts them.
    public var bytesReceived: UInt64
    /// The kernel's smoothed round-trip time, in seconds.
    public var rtt: Double
    /// The minimum round-trip time, in seconds; nil: none was measured.
    public var minRtt: Double?
    /// Seconds since the last data came from the exporter, or since the session was established.
    public var silentFor: Double

    public init(
        group: String, collector: String?, peerPort: UInt16, upSince: Double?, bytesReceived: UInt64, rtt: Double,
        minRtt: Double?, silentFor: Double
    ) {
        self.group = group
        self.collector = collector
        self.peerPort = peerPort
        self.upSince = upSince
        self.bytesReceived = bytesReceived
        self.rtt = rtt
        self.minRtt = minRtt
        self.silentFor = silentFor
    }
}

/// The TCP sessions of one exporter.
public struct BMPSessions: Equatable, Sendable {
    /// The maximum number of sessions to list; more are only counted. A hostile address, or one
    /// with many routers behind it, may have as many sessions as there are ports.
    public static let limit = 64

    /// Number of sessions.
    public private(set) var count = 0
    /// The sessions that were found first, at most `limit`.
    public private(set) var listed: [BMPSession] = []

    public init() {}

    /// - Parameter session: not evaluated beyond the limit.
    public mutating func add(_ session: () -> BMPSession) {
        count += 1
        if listed.count < Self.limit { listed.append(session()) }
    }
}
