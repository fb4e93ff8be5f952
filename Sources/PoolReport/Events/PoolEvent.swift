/// Something that happened in a pool: one message of GET /events.
public struct PoolEvent: Equatable, Sendable, Codable {
    /// Ascending from 1 for as long as the agent runs.
    public var id: UInt64
    /// Unix time in seconds.
    public var time: Double
    public var kind: Kind
    public var collector: String?
    /// An address, canonical text (RFC 5952).
    public var exporter: String?
    /// A sentence for people.
    public var text: String

    public enum Kind: String, Equatable, Sendable, Codable, CaseIterable {
        /// A collector registered a socket.
        case registered
        /// A collector is gone, or has lost a socket.
        case lost
        /// The exporters of an absent collector are held: their traffic is dropped.
        case held
        /// The hold is over: the exporters are at other collectors, if one is usable.
        case failedOver = "failed_over"
        /// An absent collector registered again.
        case returned
        /// A collector reads nothing of what waits in its sockets.
        case stalled
        /// A stalled collector reads again.
        case resumed
        /// Rows, or one exporter, moved to another collector.
        case moved
        /// The first run from an address.
        case newExporter = "new_exporter"
    }

    public init(
        id: UInt64, time: Double, kind: Kind, collector: String? = nil, exporter: String? = nil, text: String
    ) {
        self.id = id
        self.time = time
        self.kind = kind
        self.collector = collector
        self.exporter = exporter
        self.text = text
    }
}
