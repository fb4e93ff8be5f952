/// What an audit has observed of a pool at one moment.
public struct AuditFacts: Equatable, Sendable {
    public var groups: [Group]
    /// `on_move: reset`: errno of the last attempt to end a session; nil if it succeeded.
    public var resetRefusal: Int32?
    /// Names of collectors whose sockets were replaced, by SO_COOKIE.
    public var replaced: [UInt64: String] = [:]
    /// Collectors that read nothing, and the group in which data waits for them.
    public var stalled: [String: String] = [:]
    /// The address that sent nearly all recent traffic, if there is one.
    public var loneSource: IPAddress?
    public var state: State

    public init(
        groups: [Group], resetRefusal: Int32? = nil, loneSource: IPAddress? = nil, state: State = State()
    ) {
        self.groups = groups
        self.resetRefusal = resetRefusal
        self.loneSource = loneSource
        self.state = state
    }

    /// What the agent knows without an audit, and judges as soon as it changes.
    public struct State: Equatable, Sendable {
        public var delivery: DeliveryFacts
        /// Why the last reload failed; nil: it succeeded, or there was none.
        public var reloadFailure: Failure?

        public init(delivery: DeliveryFacts = DeliveryFacts(), reloadFailure: Failure? = nil) {
            (self.delivery, self.reloadFailure) = (delivery, reloadFailure)
        }
    }

    public struct Group: Equatable, Sendable {
        public var group: ReuseportGroup
        /// All sockets of the group's protocol and port, at any address.
        public var sockets: [BoundSocket]
        public var entries: [Entry]
        /// SO_COOKIE of the agent's own socket in the group.
        public var placeholder: UInt64?
        /// Why there is no placeholder.
        public var placeholderRefusal: PlaceholderRefusal?
        public var probe: ProbeResult
        /// Registered sockets that the program can't select.
        public var unselectable: [Unselectable] = []
        /// Collectors whose registered socket joined multicast groups.
        public var multicast: [Membership] = []
        /// Collectors of which one socket drops while others are idle.
        public var uneven: [Uneven] = []
        /// The group's interface exists; true also without one.
        public var hasInterface = true
        /// Of the interfaces of the group and of `sockets`, those whose traffic doesn't reach sockets that are bound to
        /// no interface: VRFs, and interfaces in a VRF.
        public var apart: Set<String> = []
        /// The program has come to the group. False: its sockets receive their traffic as without the agent.
        public var isClaimed: Bool

        public init(
            _ group: ReuseportGroup, sockets: [BoundSocket] = [], entries: [Entry] = [], placeholder: UInt64? = nil,
            placeholderRefusal: PlaceholderRefusal? = nil, probe: ProbeResult = .attached, isClaimed: Bool = true
        ) {
            self.group = group
            self.sockets = sockets
            self.entries = entries
            self.placeholder = placeholder
            self.placeholderRefusal = placeholderRefusal
            self.probe = probe
            self.isClaimed = isClaimed
        }

        /// The first of them receives the group's traffic: the kernel lists the sockets of a port in the order
        /// in which it looks for a receiver, and keeps the sockets of each user in a group of their own.
        package var receiver: BoundSocket? { sockets.first(where: group.hasMember) }

        /// A registered socket, or the agent's own.
        package var own: BoundSocket? {
            let present = Set(entries.compactMap(\.present))
            return sockets.first { present.contains($0.cookie) || $0.cookie == placeholder }
        }

        /// Registered sockets that receive nothing, because another user's do.
        package var starved: [Entry] {
            guard let receiver else { return [] }
            let losers = sockets.filter { group.hasMember($0) && $0.user != receiver.user }.map(\.cookie)
            return entries.filter { $0.present.map(losers.contains) ?? false }
        }

        /// The sockets of another user receive the group's traffic.
        package var isOvershadowed: Bool {
            guard let receiver, let own else { return false }
            return receiver.user != own.user && !entries.contains { $0.present == receiver.cookie }
        }

        /// Sockets that are bound to no interface receive what comes by the group's: the kernel finds them first.
        package var isOvertaken: Bool {
            guard let interface = group.interface, !apart.contains(interface),
                let member = sockets.firstIndex(where: group.hasMember)
            else {
                return false
            }
            let unbound = group.on(interface: nil)
            return sockets.firstIndex(where: unbound.hasMember).map { $0 < member } ?? false
        }

        /// The traffic that the socket takes from the group: see `ReuseportGroup.theft(by:)`.
        package func theft(by socket: BoundSocket) -> TrafficTheft? {
            // One of the two is bound to no interface.
            if group.interface != socket.interface, group.interface == nil || socket.interface == nil,
                let interface = group.interface ?? socket.interface, apart.contains(interface)
            {
                return nil
            }
            return group.theft(by: socket)
        }

        /// Members of the kernel's group that no slot has.
        package var strangers: [BoundSocket] {
            let known = Set(entries.flatMap { [$0.present, $0.registered].compactMap(\.self) })
            return sockets.filter { group.hasMember($0) && !known.contains($0.cookie) && $0.cookie != placeholder }
        }
    }

    /// An entry of a group's sockarray, by SO_COOKIE.
    public struct Entry: Equatable, Sendable {
        public var collector: String
        /// The registered socket.
        public var registered: UInt64?
        /// The socket that the map has now.
        public var present: UInt64?
        /// Part of the table's rows that the collector owns, 0 … 1.
        public var share: Double

        public init(collector: String, registered: UInt64?, present: UInt64?, share: Double = 0) {
            self.collector = collector
            self.registered = registered
            self.present = present
            self.share = share
        }
    }

    /// A registered socket that the program can't select.
    public struct Unselectable: Equatable, Sendable {
        public var collector: String
        /// SO_COOKIE.
        public var cookie: UInt64
        /// Of bpf_sk_select_reuseport(). ENOENT, EBADFD: another group receives the traffic.
        public var errno: Int32

        public init(collector: String, cookie: UInt64, errno: Int32) {
            (self.collector, self.cookie, self.errno) = (collector, cookie, errno)
        }
    }

    /// Multicast groups that a collector's registered socket joined.
    public struct Membership: Equatable, Sendable {
        public var collector: String
        /// Of the multicast groups, at least one.
        public var addresses: [IPAddress]

        public init(collector: String, addresses: [IPAddress]) {
            (self.collector, self.addresses) = (collector, addresses)
        }
    }

    /// A collector whose sockets get uneven parts of its traffic.
    public struct Uneven: Equatable, Sendable {
        public var collector: String
        /// Which of them receives a run.
        public var choice: WorkerChoice

        public init(collector: String, choice: WorkerChoice) {
            (self.collector, self.choice) = (collector, choice)
        }
    }

    public struct PlaceholderRefusal: Hashable, Sendable {
        public var user: UInt32
        public var errno: Int32

        public init(user: UInt32, errno: Int32) {
            self.user = user
            self.errno = errno
        }
    }
}

/// The result of probing a group for the agent's program.
public enum ProbeResult: Equatable, Sendable {
    case attached
    /// The program wasn't attached; the agent attached it again.
    case replaced
    /// The program doesn't count the probe, even after the agent attached it again.
    case unseen
    /// The program doesn't count the probe, and the agent has no member to attach it through.
    case unreachable
    /// The probe could not be sent; a nil errno: no address leads to the group alone.
    case unsendable(errno: Int32?)
    /// No probe was sent: the group has no member, and therefore no program.
    case empty
    /// No probe was sent this time.
    case skipped
    /// No probe was sent: sockets of another user receive the group's traffic, and would read it.
    case overshadowed
    /// No probe was sent: sockets that are bound to no interface would receive it.
    case overtaken
}
