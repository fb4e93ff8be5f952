/// What an operator asks of one pool: the validated content of the agent's
/// configuration file. A value of this type is consistent: names are unique,
/// groups don't overlap, numbers are in range.
public struct PoolConfiguration: Equatable, Sendable {
    /// Names the pool's folder of pins: letters, digits, `_` and `-`, at most 63.
    public var pool: String
    /// In the order of the file, which never matters to the assignment.
    public var collectors: [Collector]
    public var groups: [ReuseportGroup]
    public var assignment: Assignment
    /// Rows of the bucket table; nil: as many as the assignment has by default.
    public var tableSize: Int?
    /// Keys the hash and the assignment; the same on every host that must agree.
    public var seed: String
    /// How long an empty slot keeps its exporters before they fail over.
    public var restartHold: Duration
    /// How long a collector may read nothing of what waits in its sockets.
    public var stalledAfter = Self.defaultStalledAfter
    /// What happens to a collector that reads nothing.
    public var stalled = StalledAction.report
    /// The treatment of live sessions when rows change owner.
    public var onMove: OnMove
    /// The user that owns the collectors' sockets; nil: the agent's own user.
    public var collectorUser: UInt32?
    /// Aliases and pins. An address in none of them is an exporter of its own.
    public var exporters: [Exporter]
    /// Where pins are kept that `plan --rebalance --apply` made.
    public var stateFile: String
    public var tracking: Tracking
    public var controlSocket: SocketFile
    public var statusSocket: SocketFile
    /// The TCP address of the status server; nil: only the Unix socket.
    public var statusHTTP: Endpoint?
    /// Directory below a mounted bpffs; the pool's pins are in its subfolder `pool`.
    public var bpffs: String
    /// Usage events; nil: none are made.
    public var usage: UsageSettings?
    /// What they tell of the collectors' cgroup, beside what comes by the groups.
    public var meter: MeterSettings?

    public static let defaultSeed = "reuseport-agent"
    public static let defaultRestartHold = Duration.seconds(10)
    public static let defaultStalledAfter = Duration.seconds(8)
    public static let defaultControlSocket = SocketFile(
        path: "/run/reuseport-agent/control.sock", mode: 0o660)
    public static let defaultStatusSocket = SocketFile(
        path: "/run/reuseport-agent/status.sock", mode: 0o666)
    /// The program keeps the groups that a collector is in as bits of one word.
    public static let groupLimit = 32
    public static func defaultStateFile(pool: String) -> String { "/var/lib/reuseport-agent/\(pool).json" }
    public static let defaultBPFFS = "/sys/fs/bpf/reuseport-agent"

    public init(
        pool: String, collectors: [Collector], groups: [ReuseportGroup],
        assignment: Assignment = .rendezvous, tableSize: Int? = nil, seed: String = Self.defaultSeed,
        restartHold: Duration = Self.defaultRestartHold, onMove: OnMove = .follow, collectorUser: UInt32? = nil,
        exporters: [Exporter] = [], stateFile: String? = nil, tracking: Tracking = Tracking(),
        controlSocket: SocketFile = Self.defaultControlSocket,
        statusSocket: SocketFile = Self.defaultStatusSocket, statusHTTP: Endpoint? = nil,
        bpffs: String = Self.defaultBPFFS, usage: UsageSettings? = nil, meter: MeterSettings? = nil
    ) {
        self.pool = pool
        self.collectors = collectors
        self.groups = groups
        self.assignment = assignment
        self.tableSize = tableSize
        self.seed = seed
        self.restartHold = restartHold
        self.onMove = onMove
        self.collectorUser = collectorUser
        self.exporters = exporters
        self.stateFile = stateFile ?? Self.defaultStateFile(pool: pool)
        self.tracking = tracking
        self.controlSocket = controlSocket
        self.statusSocket = statusSocket
        self.statusHTTP = statusHTTP
        self.bpffs = bpffs
        self.usage = usage
        self.meter = meter
    }

    /// Of a pool, a collector or a group: letters, digits, `_` and `-`, at most 63
    /// bytes, for bpffs allows no dots.
    public static func isUsableName(_ name: String) -> Bool {
        (1...63).contains(name.utf8.count) && !name.hasPrefix("-")
            && name.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "_"), UInt8(ascii: "-"): true
                default: false
                }
            }
    }

    /// A process that receives telemetry, known by a name that survives its restarts.
    public struct Collector: Equatable, Sendable, Codable {
        public var name: String
        /// Share of the exporters relative to the other collectors' weights, 1 … 1,000.
        public var weight: Int
        /// How its process is found when nobody registers it; nil: it registers.
        public var recognition: Recognition?
        /// Which of its sockets in a group receives a run.
        public var workers = WorkerChoice.exporter

        public static let weights = 1...1_000

        /// The agent alone recognizes: no snapshot and no status shows it.
        private enum CodingKeys: CodingKey { case name, weight }

        public init(name: String, weight: Int = 1, recognition: Recognition? = nil) {
            self.name = name
            self.weight = weight
            self.recognition = recognition
        }
    }

    /// A device that is known by several addresses, or that has its collector by name.
    public struct Exporter: Equatable, Sendable {
        public var name: String
        /// No prefix belongs to two exporters; the longest of those that cover an address counts.
        public var prefixes: [AddressPrefix]
        /// The collector that it is pinned to; nil: its bucket's owner.
        public var collector: String?

        public init(name: String, prefixes: [AddressPrefix], collector: String? = nil) {
            self.name = name
            self.prefixes = prefixes
            self.collector = collector
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
    /// A TCP address that the agent listens at.
    public struct Endpoint: Equatable, Sendable, CustomStringConvertible {
        /// `::` takes IPv4 connections, too.
        public var address: IPAddress
        public var port: UInt16

        public init(address: IPAddress, port: UInt16) {
            self.address = address
            self.port = port
        }

        /// Only processes of this host reach it.
        public var isLoopback: Bool { address.isLoopback }

        /// `127.0.0.1:9477`, `[::1]:9477`.
        public var description: String { address.withPort(port) }
    }
}
