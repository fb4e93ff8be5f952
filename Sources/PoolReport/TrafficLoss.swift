import PoolModel

/// A reason why traffic that arrives now is dropped. It comes from the present state: counters also
/// have what was lost long ago.
public enum TrafficLoss: Equatable, Sendable {
    /// No collector of the pool is usable.
    case noCollector
    /// No usable collector has a socket in the group.
    case group(ReuseportGroup)
    /// The collector's exporters are held.
    case held(collector: String, left: Duration)
    /// No socket is bound to the group's port.
    case unbound(ReuseportGroup)
    /// The usable collectors drain, and take no exporters of absent ones.
    case exporters

    /// A sentence without the next step.
    public var text: String {
        switch self {
        case .noCollector: "no collector is usable: the traffic of all groups is dropped"
        case .group(let group):
            "group \(group.name) (\(group.endpoint)): no usable collector has a socket in it: its traffic is dropped"
        case .unbound(let group):
            "group \(group.name) (\(group.endpoint)): no socket is bound there: the kernel refuses its traffic"
        case .held(let name, let left):
            "collector \(name) is absent: its exporters' traffic is dropped for up to \(HoldText.seconds(left))"
        case .exporters:
            "every usable collector drains: traffic of exporters that belong to absent collectors is dropped"
        }
    }
}

extension DeliveryFacts {
    /// Empty: a socket receives whatever arrives. Groups without the program lose nothing by it.
    public var losses: [TrafficLoss] {
        let attached = groups.filter(\.isAttached).map(\.group)
        let unbound = groups.filter { !$0.isAttached && $0.otherSockets == 0 }.map { TrafficLoss.unbound($0.group) }
        guard !attached.isEmpty else { return unbound }
        let held = collectors.compactMap { collector -> TrafficLoss? in
            guard case .holding(let left) = collector.state, collector.ownsRows else { return nil }
            return .held(collector: collector.name, left: max(left, collector.extendedHold ?? .zero))
        }
        guard !usableCollectors.isEmpty else { return [.noCollector] + (hasAffinity ? held : []) + unbound }
        return unbound + attached.filter { usableCollectors(in: $0).isEmpty }.map(TrafficLoss.group)
            + (hasAffinity ? held : []) + (lostRows > 0 ? [.exporters] : [])
    }

    /// What of it lasts longer than a hold, and groups that no collector has joined.
    var problems: [AuditProblem] {
        let attached = groups.filter(\.isAttached)
        let unjoined = groups.filter { !$0.isAttached && ($0.otherSockets > 0 || !attached.isEmpty) }
            .map {
                AuditProblem.groupNotJoined(
                    $0.group, otherSockets: $0.otherSockets > 0, isNewPool: attached.isEmpty)
            }
        if attached.isEmpty { return unjoined }
        guard !usableCollectors.isEmpty else {
            // A collector that is still held makes no difference: nothing takes the others' exporters.
            let isNew = !collectors.contains(where: \.hasRegistered)
            let isOver = collectors.contains { $0.state.standing == .away }
            return unjoined + (isNew || isOver ? [.noCollector(isNewPool: isNew)] : [])
        }
        return unjoined
            + attached.filter { usableCollectors(in: $0.group).isEmpty }.map { .groupWithoutCollector($0.group) }
            + (lostRows > 0 ? [.exportersWithoutCollector] : [])
    }
}
