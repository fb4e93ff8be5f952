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
    /// Findings of the agent's last audit, and of the state since.
    public var findings: [AuditFinding] = []
    /// Why traffic that arrives now is dropped: a sentence for each reason. Nil: an older agent doesn't say.
    public var lossesNow: [String]?
    public var tracking: TrackingStatus?
    /// Where usage events are configured.
    public var usage: UsageStatus?

    public struct Collector: Equatable, Sendable, Codable {
        public var name: String
        public var slot: Int
        /// empty, active, unverified, stalled, queueing, draining, holding, failed.
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
            collectors: snapshot.collectors.map { Collector($0, of: snapshot) }, groups: snapshot.groups,
            lossesNow: snapshot.delivery.losses.map(\.text), tracking: snapshot.tracking)
    }
}

extension PoolStatus.Collector {
    package init(_ snapshot: PoolSnapshot.Collector, of pool: PoolSnapshot) {
        let words = HoldText(
            hasAffinity: pool.delivery.hasAffinity,
            canFailOver: pool.delivery.canFailOver(snapshot.configured.name))
        var holdLeft: Double?
        if case .holding(let left) = snapshot.state { holdLeft = left / .seconds(1) }
        self.init(
            name: snapshot.configured.name, slot: Int(snapshot.slot.index), state: snapshot.state.name,
            advice: CollectorAdvice.text(
                for: snapshot.configured, snapshot.state, hasRegistered: snapshot.hasRegistered,
                hasAffinity: pool.delivery.hasAffinity, absence: words, hold: pool.configuration.restartHold,
                isDraining: snapshot.isDraining, isStarting: snapshot.extendedHold != nil),
            holdLeft: holdLeft, weight: snapshot.configured.weight, share: snapshot.share, pid: snapshot.pid,
            drain: snapshot.drain, groups: snapshot.memberships)
    }
}

extension PoolStatus {
    /// What the audit found says more of the groups than the maps do.
    public mutating func add(_ findings: [AuditFinding]) {
        self.findings = findings
        for index in groups.indices where isUnverified(groups[index].name) { groups[index].attached = false }
        lossesNow = lossesNow.map { $0 + findings.filter(isLoss).map(\.text) }
        for index in collectors.indices where collectors[index].state == SlotState.active.name {
            guard let finding = findings.first(where: { $0.isStall(of: collectors[index].name) }) else { continue }
            lossesNow?.append(finding.text)
            (collectors[index].state, collectors[index].advice) = (SlotState.stalled.name, finding.text)
        }
    }

    /// A collector that counts as usable receives nothing, and its traffic isn't held either.
    private func isLoss(_ finding: AuditFinding) -> Bool {
        guard finding.isStarvation, let named = finding.collector else { return false }
        return collectors.contains { collector in
            // The finding names one of them.
            if collector.state == SlotState.unverified.name, let group = finding.group {
                return collector.groups[group]?.isRegistered == true
            }
            return collector.name == named && [SlotState.active, .draining].map(\.name).contains(collector.state)
        }
    }

    /// A finding says that the program could not be attached to the group.
    func isUnverified(_ group: String) -> Bool {
        findings.contains { $0.level == .problem && $0.name == AuditProblem.unverified && $0.group == group }
    }
}

/// What a collector's state means, and what to do: the clause after
/// `collector c1 is holding: `. Without times, the text is the same as long as the state is.
public enum CollectorAdvice {
    /// - Parameters:
    ///   - isDraining: also beside another state.
    ///   - hasRegistered: at least once.
    ///   - hasAffinity: exporters belong to collectors, and are held for them; otherwise
    ///     the other collectors take a vacant slot's turns at once.
    ///   - absence: what happens to its traffic while it is absent.
    ///   - hold: the pool's `restart_hold`.
    ///   - isStarting: `exec` extends its hold, because its command runs.
    /// - Returns: nil for an active collector.
    public static func text(
        for collector: PoolConfiguration.Collector, _ state: SlotState, hasRegistered: Bool, hasAffinity: Bool,
        absence: HoldText, hold: Duration, isDraining: Bool = false, isStarting: Bool = false
    ) -> String? {
        let name = collector.name
        if collector.weight == 0 {
            return "it left the configuration, and "
                + (hasAffinity
                    ? "its exporters move to others as their BMP sessions end; to move all of them now"
                    : "gets no more turns; to remove it now, whatever sessions it has")
                + ": reuseport-agent unregister --collector \(name)"
        }
        let never = hasRegistered ? "" : "it never registered, and "
        let end = nextStep(for: collector, isFirst: !hasRegistered) + (isDraining ? undrain(name) : "")
        switch state {
        case .active: return nil
        case .unverified:
            return
                "it is registered, but the agent has not yet seen the program select its sockets; if this lasts, see "
                + "the findings of: reuseport-agent check --live"
        case .stalled:
            return "it reads nothing of what waits in its sockets, and its exporters are at other collectors until it "
                + "reads again; kill -CONT continues a stopped process; restart one that hangs"
        case .queueing:
            return "its process has ended, and another process keeps its sockets: what comes is queued there until "
                + "restart_hold is over, and then goes to other collectors; \(end)"
        case .draining:
            return hasAffinity
                ? "its exporters move to others as their BMP sessions end; "
                    + "to bring them back: reuseport-agent undrain --collector \(name)"
                : "it gets no more turns, and keeps the sessions that it has; "
                    + "to give it turns again: reuseport-agent undrain --collector \(name)"
        case .empty: return "it never registered, and no traffic for it has come yet; \(end)"
        case .holding where isStarting:
            return "its command runs and has not bound all of its sockets: exec extends the hold, by at most "
                + "\(HoldText.seconds(HoldExtension.limit)) in all, and registers it; if this lasts, see the log of exec"
        case .holding: return "\(never)\(absence.held(for: hold)); \(end)"
        case .absent, .failed: return "\(never)\(absence.failedOver); \(end)"
        }
    }

    /// How to start and register a collector.
    ///
    /// - Parameter isFirst: it has never registered.
    public static func nextStep(for collector: PoolConfiguration.Collector, isFirst: Bool) -> String {
        let start = isFirst ? "start it" : "start it again"
        switch collector.recognition {
        case .unit(let unit)?:
            return "\(start) (systemctl start \(unit.name)), and the agent registers it by its unit"
        case let recognition?:
            return "\(start), and the agent recognizes it by its \(recognition) and registers it"
        case nil:
            return "\(start) by: reuseport-agent exec --collector \(collector.name) -- COMMAND, "
                + "or, if it runs: reuseport-agent register --collector \(collector.name) --pid PID"
        }
    }

    private static func undrain(_ name: String) -> String {
        "; it is also draining, until: reuseport-agent undrain --collector \(name)"
    }
}

extension AuditFinding {
    package func isStall(of collector: String) -> Bool { name == AuditProblem.stalled && self.collector == collector }
}
