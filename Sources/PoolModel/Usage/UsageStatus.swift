/// Usage events that aren't delivered yet, and why: `usage` in GET /status.
public struct UsageStatus: Equatable, Sendable, Codable {
    public var pendingEvents: Int
    /// Bytes in the queue's folder.
    public var pendingBytesOnDisk: Int
    /// Unix time in seconds of the last delivery; nil: none since the agent started.
    public var lastDelivery: Double?
    /// Why the last attempt to store or deliver events failed; nil: it succeeded.
    public var lastError: String?
    /// Events could not be made, stored or delivered for too long, or the queue can't be used.
    public var isOverdue: Bool

    public init(
        pendingEvents: Int = 0, pendingBytesOnDisk: Int = 0, lastDelivery: Double? = nil, lastError: String? = nil,
        isOverdue: Bool = false
    ) {
        self.pendingEvents = pendingEvents
        self.pendingBytesOnDisk = pendingBytesOnDisk
        self.lastDelivery = lastDelivery
        self.lastError = lastError
        self.isOverdue = isOverdue
    }
}
