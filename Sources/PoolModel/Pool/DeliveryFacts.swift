/// What decides whether a pool delivers the traffic that arrives: its collectors and groups at one
/// moment.
public struct DeliveryFacts: Equatable, Sendable {
    /// Those of the configuration, then those that left it and still have a slot.
    public var collectors: [Collector]
    public var groups: [Group]
    /// Exporters belong to collectors, and are held for absent ones.
    public var hasAffinity: Bool
    /// Rows that no collector receives, although one is usable: every usable collector drains.
    public var lostRows: Int

    public init(collectors: [Collector] = [], groups: [Group] = [], hasAffinity: Bool = true, lostRows: Int = 0) {
        (self.collectors, self.groups) = (collectors, groups)
        (self.hasAffinity, self.lostRows) = (hasAffinity, lostRows)
    }

    public struct Collector: Equatable, Sendable {
        public var name: String
        public var state: SlotState
        /// It has registered at least once.
        public var hasRegistered: Bool
        /// Names of the groups in which it has a socket.
        public var groups: Set<String>
        /// Of the pool's `lostRows`, those that it owns.
        public var lostRows: Int
        /// It owns rows of the table. False: its exporters have moved to others (it drains).
        public var ownsRows = true
        /// Its command starts, and its hold is extended: how long the hold can last from now on.
        public var extendedHold: Duration?

        public init(
            name: String, state: SlotState, hasRegistered: Bool, groups: Set<String>, lostRows: Int = 0
        ) {
            (self.name, self.state, self.hasRegistered) = (name, state, hasRegistered)
            (self.groups, self.lostRows) = (groups, lostRows)
        }

        public var isUsable: Bool { state.standing == .usable }
    }

    public struct Group: Equatable, Sendable {
        public var group: ReuseportGroup
        /// The program decides on what is sent to the group. False: the kernel distributes it over the
        /// sockets that are bound there.
        public var isAttached: Bool
        /// A collector has, or had, a socket in the group.
        public var hadCollector: Bool
        /// Where the program isn't attached: sockets that receive the group's traffic now.
        public var otherSockets: Int

        public init(_ group: ReuseportGroup, isAttached: Bool = true, hadCollector: Bool = true, otherSockets: Int = 0)
        {
            (self.group, self.isAttached) = (group, isAttached)
            (self.hadCollector, self.otherSockets) = (hadCollector, otherSockets)
        }
    }
}

extension DeliveryFacts {
    public var usableCollectors: [Collector] { collectors.filter(\.isUsable) }

    /// The usable collectors that have a socket in the group.
    public func usableCollectors(in group: ReuseportGroup) -> [Collector] {
        usableCollectors.filter { $0.groups.contains(group.name) }
    }

    /// Whether other collectors receive the exporters of a collector that is away.
    public func canFailOver(_ collector: String) -> Bool {
        !usableCollectors.isEmpty
            // One without rows says nothing of its own where others' exporters are lost.
            && !collectors.contains { $0.name == collector && ($0.lostRows > 0 || !$0.ownsRows && lostRows > 0) }
    }
}

extension DeliveryFacts.Collector {
    public init(_ snapshot: PoolSnapshot.Collector) {
        self.init(
            name: snapshot.configured.name, state: snapshot.state, hasRegistered: snapshot.hasRegistered,
            groups: Set(snapshot.memberships.filter(\.value.isRegistered).keys))
        ownsRows = snapshot.share > 0
        extendedHold = snapshot.extendedHold
    }
}
