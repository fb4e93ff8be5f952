/// What a draining collector still has.
public struct DrainProgress: Equatable, Sendable, Codable {
    /// Bytes that the collector hasn't read.
    public var queuedBytes: UInt64 = 0
    /// TCP: connections that the collector hasn't accepted.
    public var queuedConnections: UInt64 = 0
    /// TCP: live sessions.
    public var sessions = 0
    /// Rows that haven't moved to other collectors yet.
    public var rows = 0

    public init() {}

    public var hasEmptyQueues: Bool { queuedBytes == 0 && queuedConnections == 0 }

    public var isEmpty: Bool { hasEmptyQueues && sessions == 0 && rows == 0 }
}
