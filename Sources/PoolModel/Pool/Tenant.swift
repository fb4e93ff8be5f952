/// The collector that a slot belongs to.
public struct Tenant: Equatable, Sendable {
    public var name: String
    /// The process that had the sockets when they were registered, if it was found.
    public var owner: ProcessIdentity?
    /// Another process that keeps the sockets open when the owner ends: a service manager, or a broker.
    public var keeper: ProcessIdentity?
    /// The process that the owner has replaced (`replace`, `exec --replace`).
    public var former: ProcessIdentity?
    /// The user (uid) that the sockets belong to, as far as it was ever known.
    public var user: UInt32?
    /// Why the slot drains; nil: it doesn't.
    public var drain: Drain?
    /// The collector was unregistered: its exporters aren't held.
    public var isDismissed = false
    /// The collector reads nothing: its exporters are at other collectors, and its sockets stay in the slot.
    public var isSetAside = false
    /// The registration for which the program has selected a socket in each group; 0: none.
    public var provenRegistration: UInt64 = 0

    public init(
        name: String, owner: ProcessIdentity? = nil, keeper: ProcessIdentity? = nil, user: UInt32? = nil,
        drain: Drain? = nil
    ) {
        self.name = name
        self.owner = owner
        self.keeper = keeper
        self.user = user
        self.drain = drain
    }

    /// The reason of a drain.
    public enum Drain: Equatable, Sendable {
        case asked
        /// The name left the configuration: the slot is freed when it is empty.
        case departed
    }
}

/// Identifies one process: a pid alone is reused after its process has ended.
public struct ProcessIdentity: Equatable, Sendable, Codable {
    public var pid: Int32
    /// Clock ticks from boot to its start.
    public var startTime: UInt64

    public init(pid: Int32, startTime: UInt64) {
        self.pid = pid
        self.startTime = startTime
    }
}
