/// What the machine offers, as far as the agent asks for it.
public struct HostFacts: Equatable, Sendable {
    /// uname(2): `6.18.44-amd64`.
    public var kernelRelease: String
    /// Nil: it could not be tried, for want of CAP_BPF.
    public var hasProgramType: Bool?
    public var hasSocketArray: Bool?
    /// Linux 5.14: connections that wait at a closing listener can be sent on.
    public var canMigrate: Bool?
    /// CAP_BPF, or CAP_SYS_ADMIN, which includes it.
    public var mayUseBPF: Bool
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
        kernelRelease: String, hasProgramType: Bool?, hasSocketArray: Bool?, canMigrate: Bool?, mayUseBPF: Bool,
        mayBorrowSockets: Bool,
        mayEndSessions: Bool, mayGiveSockets: Bool, user: UInt32, hasBPFFS: Bool, mayMount: Bool, bpffs: String,
        mayWritePins: Bool
    ) {
        self.kernelRelease = kernelRelease
        self.hasProgramType = hasProgramType
        self.hasSocketArray = hasSocketArray
        self.canMigrate = canMigrate
        self.mayUseBPF = mayUseBPF
        self.mayBorrowSockets = mayBorrowSockets
        self.mayEndSessions = mayEndSessions
        self.mayGiveSockets = mayGiveSockets
        self.user = user
        self.hasBPFFS = hasBPFFS
        self.mayMount = mayMount
        self.bpffs = bpffs
        self.mayWritePins = mayWritePins
    }

    /// Major and minor version of the kernel; nil for a release of another form.
    public var kernelVersion: (major: Int, minor: Int)? {
        let parts = kernelRelease.split(separator: ".", maxSplits: 2)
        guard parts.count >= 2, let major = Int(parts[0]), let minor = Int(parts[1].prefix { $0.isNumber }) else {
            return nil
        }
        return (major, minor)
    }
}
