/// The collector that a slot belongs to.
public struct Tenant: Equatable, Sendable {
    public var name: String
    /// The process that had the sockets when they were registered, if it was found.
    public var owner: ProcessIdentity?

    public init(name: String, owner: ProcessIdentity? = nil) {
        self.name = name
        self.owner = owner
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
