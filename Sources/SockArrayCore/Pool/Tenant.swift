/// The collector that a slot belongs to.
public struct Tenant: Equatable, Sendable {
    public var name: String
    /// The process that had the sockets when they were registered, if it was found.
    public var owner: ProcessIdentity?
    /// The user (uid) that the sockets belong to, as far as it was ever known.
    public var user: UInt32?
    /// Nil: it gets what the table gives it.
    public var drain: Drain?
    /// It was unregistered: nobody waits for it.
    public var isDismissed = false

    public init(name: String, owner: ProcessIdentity? = nil, user: UInt32? = nil, drain: Drain? = nil) {
        self.name = name
        self.owner = owner
        self.user = user
        self.drain = drain
    }

    /// Why the slot gets nothing new, and is to lose what it has.
    public enum Drain: Equatable, Sendable {
        case asked
        /// Its name left the configuration: when it is empty it is freed.
        case departed
    }
}

/// One process for good: a pid alone is used again after its process is gone.
public struct ProcessIdentity: Equatable, Sendable, Codable {
    public var pid: Int32
    /// Clock ticks from boot to its start.
    public var startTime: UInt64

    public init(pid: Int32, startTime: UInt64) {
        self.pid = pid
        self.startTime = startTime
    }
}
