/// What the machine offers, as far as the agent asks for it before it tries.
public struct HostFacts: Equatable, Sendable {
    /// uname(2): `6.18.44-amd64`.
    public var kernelRelease: String
    /// CAP_SYS_PTRACE: sockets of other users' processes can be borrowed.
    public var mayBorrowSockets: Bool
    /// CAP_NET_ADMIN: TCP sessions of others can be ended (sock_destroy).
    public var mayEndSessions: Bool
    /// CAP_CHOWN: a socket can be given to another user.
    public var mayGiveSockets: Bool
    /// Whom sockets belong to that are made here.
    public var user: UInt32
    /// A bpffs is mounted at the pins' folder or above it.
    public var hasBPFFS: Bool
    /// CAP_SYS_ADMIN: the agent mounts one by itself at the standard place.
    public var mayMount: Bool
    /// The folder of the pins, and the first folder above it that exists.
    public var bpffs: String
    public var mayWritePins: Bool

    public init(
        kernelRelease: String, mayBorrowSockets: Bool, mayEndSessions: Bool, mayGiveSockets: Bool, user: UInt32,
        hasBPFFS: Bool, mayMount: Bool, bpffs: String, mayWritePins: Bool
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
    }
}
