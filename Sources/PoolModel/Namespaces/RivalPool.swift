/// Another pool whose pins have a group of this pool: the same protocol, address and port.
///
/// In one network namespace, both pools would have the same reuseport group of the kernel, which runs one
/// program: the agent that attaches its program last takes the traffic of the other pool's collectors. Pools
/// of different network namespaces may share a bpffs, and don't disturb each other.
public struct RivalPool: Equatable, Sendable {
    public var pool: String
    /// The folder below which the pool is pinned (key `bpffs`).
    public var bpffs: String
    public var group: ReuseportGroup
    public var presence: Presence
    /// The group has registered sockets of this pool.
    public var hasOwnSockets: Bool

    public init(pool: String, bpffs: String, group: ReuseportGroup, presence: Presence, hasOwnSockets: Bool = false) {
        (self.pool, self.bpffs, self.group, self.presence) = (pool, bpffs, group, presence)
        self.hasOwnSockets = hasOwnSockets
    }

    /// Where the other pool is used.
    public enum Presence: Equatable, Sendable {
        /// In this network namespace: so many of its registered sockets are here, or its agent runs here.
        case here(sockets: Int, agentRuns: Bool)
        /// In another network namespace.
        case elsewhere
        /// Neither a registered socket nor an agent shows it.
        case unknown

        /// - Parameters:
        ///   - registered: SO_COOKIE of the other pool's sockets in the group; nil: they can't be read.
        ///   - present: SO_COOKIE of the sockets of the group's port in this network namespace; nil: unknown. A cookie
        ///     is unique over all namespaces.
        ///   - agent: the network namespace of the pool's running agent (target of /proc/PID/ns/net); nil: no
        ///     agent runs, or it can't be seen.
        ///   - own: the network namespace of this process; nil: unknown.
        public init(registered: Set<UInt64>?, present: Set<UInt64>?, agent: String?, own: String?) {
            let sockets = registered.flatMap { present?.intersection($0).count } ?? 0
            let agentRuns = agent != nil && agent == own
            if sockets > 0 || agentRuns {
                self = .here(sockets: sockets, agentRuns: agentRuns)
            } else if present != nil, registered?.isEmpty == false {
                self = .elsewhere
            } else {
                self = agent != nil && own != nil ? .elsewhere : .unknown
            }
        }
    }

    /// The other pool, and what shows that both have the group; nil if it is in another network namespace.
    public var problem: String? {
        let other = "pool \(pool) (pins in \(bpffs)/\(pool)) has \(group.endpoint), too"
        let effect = "the agent that attaches its program last takes the traffic of both pools"
        switch presence {
        case .elsewhere: return nil
        case .unknown:
            return
                "\(other); nothing shows in which network namespace: neither registered sockets nor an agent of that "
                + "pool can be seen; if both pools are in one, \(effect)"
        case .here(let sockets, let agentRuns):
            let signs = [
                agentRuns ? "its agent runs here" : nil, sockets > 0 ? "registered sockets: \(sockets)" : nil,
            ].compactMap(\.self)
            return "\(other), in this network namespace (\(signs.joined(separator: "; "))): \(effect)"
        }
    }

    public var remedy: String {
        "give one of the pools another address or port; only if pool \(pool) is no longer used, stop its agent and "
            + "run: reuseport-agent unload --pool \(pool) --bpffs \(bpffs)"
    }

    public var isHere: Bool { if case .here = presence { true } else { false } }

    /// Why the agent must not attach its program to the group: it would take the traffic of another pool's
    /// collectors. Nil: it may, because no other pool is known to be here, or because this pool has
    /// collectors in the group already, and a refusal would only leave them without an agent.
    public func refusal(act: String) -> Failure? {
        guard isHere, !hasOwnSockets, let problem else { return nil }
        return Failure(.conflict, act: act, cause: "group \(group.name): \(problem)", remedy: remedy)
    }
}
