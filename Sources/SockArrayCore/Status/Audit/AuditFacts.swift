/// What an audit has seen of a pool, at one moment.
public struct AuditFacts: Equatable, Sendable {
    public var groups: [Group]
    /// `on_move: reset`: why a session could not be ended (errno), when that was tried last.
    public var resetRefusal: Int32?
    /// Whose sockets were replaced, by SO_COOKIE: the collectors' names.
    public var replaced: [UInt64: String] = [:]
    /// Nearly everything came from this address lately.
    public var loneSource: IPAddress?

    public init(groups: [Group], resetRefusal: Int32? = nil, loneSource: IPAddress? = nil) {
        self.groups = groups
        self.resetRefusal = resetRefusal
        self.loneSource = loneSource
    }

    public struct Group: Equatable, Sendable {
        public var group: ReuseportGroup
        /// Of its protocol and port, whatever their addresses.
        public var sockets: [BoundSocket]
        public var entries: [Entry]
        /// SO_COOKIE of the agent's own socket in it.
        public var placeholder: UInt64?
        /// Why there is none (errno), and whom it was to belong to.
        public var placeholderRefusal: PlaceholderRefusal?
        public var probe: ProbeResult

        public init(
            _ group: ReuseportGroup, sockets: [BoundSocket] = [], entries: [Entry] = [], placeholder: UInt64? = nil,
            placeholderRefusal: PlaceholderRefusal? = nil, probe: ProbeResult = .attached
        ) {
            self.group = group
            self.sockets = sockets
            self.entries = entries
            self.placeholder = placeholder
            self.placeholderRefusal = placeholderRefusal
            self.probe = probe
        }

        /// Members of the kernel's group that stand in no slot.
        var strangers: [BoundSocket] {
            let known = Set(entries.flatMap { [$0.present, $0.registered].compactMap(\.self) })
            return sockets.filter { group.hasMember($0) && !known.contains($0.cookie) && $0.cookie != placeholder }
        }
    }

    /// A slot's place in a group's sockarray, by SO_COOKIE.
    public struct Entry: Equatable, Sendable {
        public var collector: String
        /// What was registered.
        public var registered: UInt64?
        /// What is there.
        public var present: UInt64?

        public init(collector: String, registered: UInt64?, present: UInt64?) {
            self.collector = collector
            self.registered = registered
            self.present = present
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

/// What came of asking a group whether the agent's program is attached to it.
public enum ProbeResult: Equatable, Sendable {
    case attached
    /// It wasn't, and is again.
    case replaced
    /// It was attached again, and the probe isn't seen even so.
    case unseen
    /// The probe isn't seen, and no member could be reached to attach the program through.
    case unreachable
    /// The probe could not be sent. Nil: no address leads to the group alone.
    case unsendable(errno: Int32?)
    /// Nobody asked: the group has no member, and so no program.
    case empty
    /// Nobody asked this time.
    case skipped
}
