/// The collector that a slot belongs to.
public struct Tenant: Equatable, Sendable {
    public var name: String
    /// The process that had the sockets when they were registered, if it was found.
    public var owner: ProcessIdentity?
    /// The user (uid) that the sockets belong to, as far as it was ever known.
    public var user: UInt32?
    /// Nil: it gets what the table gives it.
    public var drain: Drain?

    public init(name: String, owner: ProcessIdentity? = nil, user: UInt32? = nil, drain: Drain? = nil) {
        self.name = name
        self.owner = owner
        self.user = user
        self.drain = drain
    }

    /// The slot gets nothing new, and loses what it has.
    public struct Drain: Equatable, Sendable {
        /// Its name left the configuration: when it is empty it is freed.
        public var isDeparture: Bool
        /// CLOCK_MONOTONIC in nanoseconds, when what is left moves too; nil: never.
        public var deadline: UInt64?

        public init(isDeparture: Bool = false, deadline: UInt64? = nil) {
            self.isDeparture = isDeparture
            self.deadline = deadline
        }
    }
}

/// One process for good: a pid alone is used again after its process is gone.
public struct ProcessIdentity: Equatable, Sendable {
    public var pid: Int32
    /// Clock ticks from boot to its start.
    public var startTime: UInt64

    public init(pid: Int32, startTime: UInt64) {
        self.pid = pid
        self.startTime = startTime
    }
}
