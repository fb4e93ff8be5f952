/// What of the usage events is not delivered yet, and why: `usage` in GET /status.
public struct UsageStatus: Equatable, Sendable, Codable {
    public var pendingEvents: Int
    /// Of the queue's folder.
    public var pendingBytesOnDisk: Int
    /// Unix seconds of the last one that went well; nil: none has yet, since the agent began.
    public var lastDelivery: Double?
    /// Why the last attempt failed, to keep events or to deliver them; nil: it went well.
    public var lastError: String?
    /// It has failed for so long that somebody should look.
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
