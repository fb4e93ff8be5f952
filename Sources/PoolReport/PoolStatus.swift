import PoolModel

/// The state and counters of a pool at one moment: the content of GET /status.
///
/// Counters are cumulative since the pool was made, over restarts of the agent
/// and of collectors. A run is a SYN, a datagram, or a train of datagrams (UDP
/// GRO): runs aren't always datagrams.
public struct PoolStatus: Equatable, Sendable, Codable {
    public var pool: String
    /// When the agent read it: Unix time in seconds.
    public var time: Double?
    public var assignment: String
    public var tableSize: Int
    public var collectors: [Collector]
    public var groups: [Group]
    /// Findings of the agent's last audit.
    public var findings: [AuditFinding] = []
    public var tracking: TrackingStatus?
    /// Where usage events are configured.
    public var usage: UsageStatus?

    public struct Collector: Equatable, Sendable, Codable {
        public var name: String
        public var slot: Int
        /// empty, active, draining, holding, failed.
        public var state: String
        /// What the state means and what to do, for people; nil: it is active.
        public var advice: String?
        /// Seconds until a held slot fails over.
        public var holdLeft: Double?
        /// 0: the collector left the configuration, and drains.
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

    public typealias Membership = PoolSnapshot.Membership
    public typealias Group = PoolSnapshot.Group
    public typealias Outcomes = PoolSnapshot.Outcomes
}

extension PoolStatus {
    public init(_ snapshot: PoolSnapshot) {
        let configuration = snapshot.configuration
        self.init(
            pool: configuration.pool, assignment: configuration.assignment.rawValue, tableSize: snapshot.tableSize,
            collectors: snapshot.collectors.map {
                Collector($0, hasAffinity: configuration.assignment.hasAffinity)
            }, groups: snapshot.groups, tracking: snapshot.tracking)
    }
}

extension PoolStatus.Collector {
    package init(_ snapshot: PoolSnapshot.Collector, hasAffinity: Bool) {
        var holdLeft: Double?
        if case .holding(let left) = snapshot.state { holdLeft = left / .seconds(1) }
        self.init(
            name: snapshot.configured.name, slot: Int(snapshot.slot.index), state: snapshot.state.name,
            advice: CollectorAdvice.text(
                for: snapshot.configured, snapshot.state, hasRegistered: snapshot.hasRegistered,
                hasAffinity: hasAffinity, isDraining: snapshot.isDraining),
            holdLeft: holdLeft, weight: snapshot.configured.weight, share: snapshot.share, pid: snapshot.pid,
            drain: snapshot.drain, groups: snapshot.memberships)
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
