import PoolModel

/// Whether the agent works: the content of GET /livez. An answer is the proof.
public struct Liveness: Equatable, Sendable, Codable {
    public var ok = true
    public var reasons: [String] = []

    public init() {}
}

/// Whether this host should receive traffic: the content of GET /readyz. It should when the program is
/// attached to every group, and a usable collector has a socket in it.
public struct Readiness: Equatable, Sendable, Codable {
    public var ok: Bool
    /// A sentence for each group that can't deliver, with the next step.
    public var reasons: [String]

    public init(of status: PoolStatus) {
        reasons = status.groups.compactMap { group in
            let subject = "group \(group.name)"
            guard status.hasUsableCollector(in: group.name) else {
                let isRegistered = status.collectors.contains { $0.groups[group.name]?.isRegistered == true }
                return "\(subject) has no usable collector; "
                    + (isRegistered
                        ? "reuseport-agent status has the next step for each"
                        : "register a collector with a socket for \(group.protocol) port \(group.port)")
            }
            if group.attached { return nil }
            return "\(subject): the agent's program isn't attached, or the agent can't verify that it is; "
                + "run: reuseport-agent check --live"
        }
        ok = reasons.isEmpty
    }
}

extension PoolStatus {
    /// A usable collector has a socket in the group.
    func hasUsableCollector(in group: String) -> Bool {
        let isStarved = findings.contains { $0.isStarvation && $0.group == group }
        return collectors.contains { $0.isUsable(isStarved: isStarved) && $0.groups[group]?.isRegistered == true }
    }
}

extension PoolStatus.Collector {
    /// It receives what the table assigns to it, or the kernel queues that for it. If no probe is answered (a firewall
    /// drops them), only traffic can verify a collector. A host that isn't ready receives no traffic, so an unverified
    /// collector must count.
    fileprivate func isUsable(isStarved: Bool) -> Bool {
        let states: [SlotState] =
            isStarved ? [.active, .draining, .queueing] : [.active, .draining, .queueing, .unverified]
        return states.contains { $0.name == state }
    }
}
