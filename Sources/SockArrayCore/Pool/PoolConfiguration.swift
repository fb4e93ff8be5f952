/// What an operator asks of one pool: the validated content of the agent's
/// configuration file. A value of this type is consistent: names are unique,
/// groups don't overlap, numbers are in range.
public struct PoolConfiguration: Equatable, Sendable {
    /// Names the pool's folder of pins: letters, digits, `_` and `-`, at most 63.
    public var pool: String
    /// In the order of the file, which never matters to the assignment.
    public var collectors: [Collector]
    public var groups: [ReuseportGroup]
    /// Keys the hash and the assignment; the same on every host that must agree.
    public var seed: String
    /// How long an empty slot keeps its exporters before they fail over.
    public var restartHold: Duration
    public var controlSocket: SocketFile
    public var statusSocket: SocketFile
    /// Folder below a mounted bpffs; the pool's pins are in its subfolder `pool`.
    public var bpffs: String

    public static let defaultSeed = "reuseport-agent"
    public static let defaultRestartHold = Duration.seconds(10)
    public static let defaultControlSocket = SocketFile(
        path: "/run/reuseport-agent/control.sock", mode: 0o660)
    public static let defaultStatusSocket = SocketFile(
        path: "/run/reuseport-agent/status.sock", mode: 0o666)
    public static let defaultBPFFS = "/sys/fs/bpf/reuseport-agent"

    public init(
        pool: String, collectors: [Collector], groups: [ReuseportGroup],
        seed: String = Self.defaultSeed, restartHold: Duration = Self.defaultRestartHold,
        controlSocket: SocketFile = Self.defaultControlSocket,
        statusSocket: SocketFile = Self.defaultStatusSocket, bpffs: String = Self.defaultBPFFS
    ) {
        self.pool = pool
        self.collectors = collectors
        self.groups = groups
        self.seed = seed
        self.restartHold = restartHold
        self.controlSocket = controlSocket
        self.statusSocket = statusSocket
        self.bpffs = bpffs
    }

    /// A process that receives telemetry, known by a name that survives its restarts.
    public struct Collector: Equatable, Sendable {
        public var name: String
        /// Share of the exporters relative to the other collectors' weights, 1 … 1,000.
        public var weight: Int

        public static let weights = 1...1_000

        public init(name: String, weight: Int = 1) {
            self.name = name
            self.weight = weight
        }
    }

    /// A Unix socket that the agent listens on.
    public struct SocketFile: Equatable, Sendable {
        public var path: String
        /// Permission bits of the socket file.
        public var mode: UInt32

        public init(path: String, mode: UInt32) {
            self.path = path
            self.mode = mode
        }
    }
}
