/// Usage events: how often, to whom, and where they wait.
public struct UsageSettings: Equatable, Sendable {
    public enum Target: Equatable, Sendable {
        /// JSON lines are appended.
        case file(String)
        /// A program and its arguments: JSON lines at its standard input.
        case command([String])
        /// `{"events": [...]}` is POSTed. With the path of a file of more header lines.
        case url(String, headers: String?)
    }

    public var interval: Duration
    public var target: Target
    /// Of the events that are not delivered yet, and of what was counted last.
    public var folder: String
    /// Bytes of the folder from which on intervals are merged.
    public var limit: Int

    public static let defaultInterval = Duration.seconds(60)
    /// From a tenth of a second, for tests, to an hour.
    public static let intervals = Duration.milliseconds(100)...Duration.seconds(3_600)
    public static let defaultLimit = 64 << 20
    public static let limits = 64 << 10...16 << 30
    public static func defaultFolder(pool: String) -> String { "/var/lib/reuseport-agent/\(pool)-usage" }

    public init(
        interval: Duration = Self.defaultInterval, target: Target, folder: String, limit: Int = Self.defaultLimit
    ) {
        self.interval = interval
        self.target = target
        self.folder = folder
        self.limit = limit
    }
}

/// Counts all traffic of a cgroup's sockets, for usage events.
public struct MeterSettings: Equatable, Sendable {
    /// Directory of a cgroup of version 2.
    public var cgroup: String
    /// Peers in them are internal, all others external.
    public var internalPrefixes: [AddressPrefix]

    /// The trie's size.
    public static let prefixLimit = 4_096

    public init(cgroup: String, internalPrefixes: [AddressPrefix] = []) {
        self.cgroup = cgroup
        self.internalPrefixes = internalPrefixes
    }
}
