/// What a draining collector still has.
public struct DrainProgress: Equatable, Sendable, Codable {
    /// Bytes that the collector hasn't read.
    public var queuedBytes: UInt64 = 0
    /// TCP: connections that the collector hasn't accepted.
    public var queuedConnections: UInt64 = 0
    /// TCP: live sessions for which exporters stay.
    public var sessions = 0
    /// Rows that haven't moved to other collectors yet.
    public var rows = 0
    /// Of the sessions those that have been silent for longest, at most `listLimit`.
    public var longestSilent: [Session]?
    /// Other collectors that are registered and don't drain: these can take exporters.
    public var takers: Int?

    public static let listLimit = 8

    /// A session that keeps its exporter at the collector.
    public struct Session: Equatable, Sendable, Codable {
        /// The router's address, IPv4-mapped addresses as IPv4.
        public var peer: String
        public var peerPort: UInt16
        /// The group's name.
        public var group: String
        /// Seconds since the last data came from the router, or since the session was established.
        public var silentFor: Double

        public init(peer: String, peerPort: UInt16, group: String, silentFor: Double) {
            self.peer = peer
            self.peerPort = peerPort
            self.group = group
            self.silentFor = silentFor
        }
    }

    public init() {}

    public var hasEmptyQueues: Bool { queuedBytes == 0 && queuedConnections == 0 }

    public var isEmpty: Bool { hasEmptyQueues && sessions == 0 && rows == 0 }

    /// Counts the sessions, and lists those that have been silent for longest.
    public mutating func setSessions(_ all: [Session]) {
        sessions = all.count
        longestSilent = Array(all.sorted { ($0.silentFor, $1.peer) > ($1.silentFor, $0.peer) }.prefix(Self.listLimit))
    }
}
