/// The facts of the machine that the agent reads before it tries a start.
public struct HostFacts: Equatable, Sendable {
    /// uname(2): `6.18.44-amd64`.
    public var kernelRelease: String
    /// CAP_SYS_PTRACE: allows borrowing sockets of other users' processes.
    public var mayBorrowSockets: Bool
    /// CAP_NET_ADMIN: allows ending TCP sessions of other users (sock_destroy).
    public var mayEndSessions: Bool
    /// CAP_CHOWN: allows giving a socket to another user.
    public var mayGiveSockets: Bool
    /// The owner of new sockets.
    public var user: UInt32
    /// A bpffs is mounted at the pins' folder or above it.
    public var hasBPFFS: Bool
    /// CAP_SYS_ADMIN: the agent can mount a bpffs at the standard mount point.
    public var mayMount: Bool
    /// The folder of the pins, and its nearest existing parent.
    public var bpffs: String
    public var mayWritePins: Bool
    public var pinLifetime: PinLifetime
    public var clock: ClockRelation

    public init(
        kernelRelease: String, mayBorrowSockets: Bool, mayEndSessions: Bool, mayGiveSockets: Bool, user: UInt32,
        hasBPFFS: Bool, mayMount: Bool, bpffs: String, mayWritePins: Bool,
        pinLifetime: PinLifetime = .host, clock: ClockRelation = .same
    ) {
        self.kernelRelease = kernelRelease
        self.mayBorrowSockets = mayBorrowSockets
        self.mayEndSessions = mayEndSessions
        self.mayGiveSockets = mayGiveSockets
        self.user = user
        self.hasBPFFS = hasBPFFS
        self.mayMount = mayMount
        self.bpffs = bpffs
        self.mayWritePins = mayWritePins
        self.pinLifetime = pinLifetime
        self.clock = clock
    }
}
