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
    /// The least that was measured lately, in seconds.
    public var minRtt: Double

    public init(
        group: String, collector: String?, peerPort: UInt16, upSince: Double?, bytesReceived: UInt64, rtt: Double,
        minRtt: Double
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
