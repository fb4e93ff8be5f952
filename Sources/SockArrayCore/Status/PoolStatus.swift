/// What a pool is and has counted, at one moment: the content of GET /status.
///
/// Counters are cumulative since the pool was made, over restarts of the agent
/// and of collectors. A run is a SYN, a datagram, or a train of datagrams (UDP
/// GRO), so runs are not always datagrams.
public struct PoolStatus: Equatable, Sendable, Codable {
    public var pool: String
    /// When the agent read it: Unix time in seconds.
    public var time: Double?
    public var assignment: String
    public var tableSize: Int
    public var collectors: [Collector]
    public var groups: [Group]
    /// What isn't as it should be, as the agent's last audit found it.
    public var findings: [AuditFinding] = []
    public var tracking: TrackingStatus?
    /// Where usage events are configured.
    public var usage: UsageStatus?

    public struct Collector: Equatable, Sendable, Codable {
        public var name: String
        public var slot: Int
        /// empty, active, draining, holding, failed.
        public var state: String
        /// What that means and what to do, for people; nil: it is active.
        public var advice: String?
        /// Seconds until a held slot fails over.
        public var holdLeft: Double?
        /// 0: it left the configuration, and is to get empty.
        public var weight: Int
        /// Part of the table's rows that it owns, 0 … 1.
        public var share: Double
        /// Owner of its sockets, if it is known and alive.
        public var pid: Int32?
        /// What it still has; nil unless it is draining.
        public var drain: DrainProgress?
        /// By group name.
        public var groups: [String: Membership]
    }

    /// A collector in one group.
    public struct Membership: Equatable, Sendable, Codable {
        /// SO_COOKIE of its socket; nil: it has none now.
        public var cookie: UInt64?
        /// Since its name came to the pool.
        public var runs: UInt64
        /// Of these, in place of a collector that is away.
        public var failedOver: UInt64
        /// UDP header and payload, or the TCP header of a SYN.
        public var bytes: UInt64
        /// Received and not yet read; 0 for TCP.
        public var queuedBytes: UInt64
        /// TCP: connections that wait to be accepted.
        public var queuedConnections: UInt64?
        /// What its sockets had no room for, one after the other, since its name came to the
        /// pool: datagrams, of TCP SYNs and connections. What a socket dropped in the seconds
        /// before it ended may not be in it.
        public var drops: UInt64
    }

    public struct Group: Equatable, Sendable, Codable {
        public var name: String
        public var `protocol`: String
        public var address: String
        public var port: Int
        /// There is a socket of ours to attach the program through, and the last
        /// audit did not find that in vain.
        public var attached: Bool
        public var outcomes: Outcomes
        /// Of the runs that were held or found no collector.
        public var droppedBytes: UInt64
    }

    /// Every run of the program in exactly one.
    public struct Outcomes: Equatable, Sendable, Codable {
        public var selected: UInt64
        public var failedOver: UInt64
        public var held: UInt64
        public var noCollector: UInt64
        public var badPacket: UInt64
    }
}

extension PoolStatus {
    /// What the audit found says more of the groups than the maps do.
    public mutating func add(_ findings: [AuditFinding]) {
        self.findings = findings
        for index in groups.indices where isUnverified(groups[index].name) { groups[index].attached = false }
    }

    /// A finding says that the program could not be attached to the group.
    func isUnverified(_ group: String) -> Bool {
        findings.contains { $0.level == .problem && $0.name == AuditProblem.unverified && $0.group == group }
    }
}
