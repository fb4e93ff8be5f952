/// What a pool is and has counted, as the kernel had it at one moment. All that users see is made from
/// it.
public struct PoolSnapshot: Sendable {
    public var configuration: PoolConfiguration
    public var tableSize: Int
    public var collectors: [Collector]
    public var groups: [Group]
    public var tracking: TrackingStatus?
    /// By the same sockets and states as `collectors`.
    public var delivery: DeliveryFacts

    public init(
        configuration: PoolConfiguration, tableSize: Int, collectors: [Collector], groups: [Group],
        tracking: TrackingStatus?, delivery: DeliveryFacts
    ) {
        (self.configuration, self.tableSize) = (configuration, tableSize)
        (self.collectors, self.groups, self.tracking) = (collectors, groups, tracking)
        self.delivery = delivery
    }

    public struct Collector: Sendable {
        /// Weight 0: it left the configuration, and drains.
        public var configured: PoolConfiguration.Collector
        public var slot: Slot
        public var state: SlotState
        /// It has registered at least once.
        public var hasRegistered: Bool
        /// It drains, also beside another state.
        public var isDraining: Bool
        /// Part of the table's rows that it owns, 0 … 1.
        public var share: Double
        /// The process that owns its sockets, if it is known and alive.
        public var pid: Int32?
        /// What it still has; nil unless it drains.
        public var drain: DrainProgress?
        /// Its command starts, and its hold is extended: how long the hold can last from now on.
        public var extendedHold: Duration?
        /// By group name.
        public var memberships: [String: Membership]

        public init(
            _ configured: PoolConfiguration.Collector, slot: Slot, state: SlotState, hasRegistered: Bool,
            isDraining: Bool, share: Double, pid: Int32?, drain: DrainProgress?, memberships: [String: Membership]
        ) {
            (self.configured, self.slot, self.state) = (configured, slot, state)
            (self.hasRegistered, self.isDraining, self.share) = (hasRegistered, isDraining, share)
            (self.pid, self.drain, self.memberships) = (pid, drain, memberships)
        }
    }

    /// A collector in one group.
    public struct Membership: Equatable, Sendable, Codable {
        /// SO_COOKIE of its socket, of several the first one's; nil: it has none now.
        public var cookie: UInt64?
        /// Since its name came to the pool.
        public var runs: UInt64
        /// Runs that it received in place of a collector that is down; `runs` includes them.
        public var failedOver: UInt64
        /// UDP header and payload, or the TCP header of a SYN.
        public var bytes: UInt64
        /// Received and not yet read, of all its sockets; 0 for TCP.
        public var queuedBytes: UInt64
        /// TCP: connections that wait to be accepted, of all its sockets.
        public var queuedConnections: UInt64?
        /// What its sockets had no room for, those that have ended included, since its name came to the
        /// pool: datagrams; of TCP, SYNs and connections. What a socket dropped in the seconds
        /// before it ended may be missing.
        public var drops: UInt64
        /// Its sockets, if it has several now.
        public var workers: [Worker]?

        public var isRegistered: Bool { cookie != nil }

        public init(
            cookie: UInt64? = nil, runs: UInt64, failedOver: UInt64, bytes: UInt64, queuedBytes: UInt64,
            queuedConnections: UInt64? = nil, drops: UInt64
        ) {
            (self.cookie, self.runs, self.failedOver, self.bytes) = (cookie, runs, failedOver, bytes)
            (self.queuedBytes, self.queuedConnections, self.drops) = (queuedBytes, queuedConnections, drops)
        }

        /// - Parameter workers: all of its sockets.
        public init(
            _ workers: [Worker], of transport: ReuseportGroup.TransportProtocol, runs: UInt64, failedOver: UInt64,
            bytes: UInt64, drops: UInt64
        ) {
            self.init(
                cookie: workers.first?.cookie, runs: runs, failedOver: failedOver, bytes: bytes,
                queuedBytes: workers.reduce(0) { $0 + $1.queuedBytes },
                queuedConnections: transport == .udp
                    ? nil : workers.reduce(0) { $0 + ($1.queuedConnections ?? 0) }, drops: drops)
            if workers.count > 1 { self.workers = workers }
        }
    }

    /// One of several sockets of a collector in one group.
    public struct Worker: Equatable, Sendable, Codable {
        /// Its place among the collector's sockets in the group, from 0 on.
        public var number: Int
        /// SO_COOKIE.
        public var cookie: UInt64
        /// Received and not yet read; 0 for TCP.
        public var queuedBytes: UInt64
        /// TCP: connections that wait to be accepted.
        public var queuedConnections: UInt64?
        /// The kernel's count of this socket, modulo 2^32.
        public var drops: UInt64

        public init(number: Int, cookie: UInt64, queuedBytes: UInt64, queuedConnections: UInt64?, drops: UInt64) {
            (self.number, self.cookie, self.queuedBytes) = (number, cookie, queuedBytes)
            (self.queuedConnections, self.drops) = (queuedConnections, drops)
        }
    }

    public struct Group: Equatable, Sendable, Codable {
        public var name: String
        public var `protocol`: String
        public var address: String
        public var port: Int
        /// Name of the interface that the sockets are bound to; nil: none.
        public var interface: String?
        /// There is a socket of ours to attach the program through, and the last
        /// audit did not find that in vain.
        public var attached: Bool
        public var outcomes: Outcomes
        /// Bytes of the runs that were held or found no collector.
        public var droppedBytes: UInt64

        public init(
            name: String, protocol transport: String, address: String, port: Int, interface: String? = nil,
            attached: Bool, outcomes: Outcomes,
            droppedBytes: UInt64
        ) {
            (self.name, self.protocol, self.address, self.port) = (name, transport, address, port)
            self.interface = interface
            (self.attached, self.outcomes, self.droppedBytes) = (attached, outcomes, droppedBytes)
        }
    }

    /// Every run of the program in exactly one.
    public struct Outcomes: Equatable, Sendable, Codable {
        public var selected: UInt64
        public var failedOver: UInt64
        public var held: UInt64
        public var noCollector: UInt64
        public var badPacket: UInt64

        public init(selected: UInt64, failedOver: UInt64, held: UInt64, noCollector: UInt64, badPacket: UInt64) {
            (self.selected, self.failedOver, self.held) = (selected, failedOver, held)
            (self.noCollector, self.badPacket) = (noCollector, badPacket)
        }
    }
}
