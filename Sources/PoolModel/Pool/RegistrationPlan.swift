/// The writes of a registration, decided before the first write from the offered
/// sockets and the content of the sockarrays.
public struct RegistrationPlan: Equatable, Sendable {
    /// A socket that goes into the slot of one group's sockarray.
    public struct Placement: Equatable, Sendable {
        /// Index in the pool's list of groups.
        public let group: Int
        /// Index in the list of offered sockets.
        public let socket: Int
        /// The slot has it already: only the program's attachment is renewed.
        public let isPresent: Bool
    }

    public let placements: [Placement]

    /// Those whose sockets the slot doesn't have yet.
    public var freshPlacements: [Placement] { placements.filter { !$0.isPresent } }

    /// A socket that was offered, and the name that its owner knows it by.
    public struct Offer: Equatable, Sendable {
        /// `fd 5`, or `pid 812 fd 5`.
        public let label: String
        public let socket: SocketFacts

        public init(label: String, socket: SocketFacts) {
            self.label = label
            self.socket = socket
        }
    }

    /// The content of the sockarrays, as far as a registration needs it.
    public struct Occupancy: Equatable, Sendable {
        /// For each group of the pool: cookies by slot, live sockets only.
        public let cookies: [[Slot: UInt64]]
        /// The process that registered the slot's sockets is gone. What it left
        /// in the slot is an orphan, inherited by a child of its, and swallows
        /// connections that nobody accepts.
        public let ownerIsGone: Bool
        /// Names by slot, for messages; of `cookies`, these slots.
        public let names: [Slot: String]
        /// Slots whose names left the configuration, while they are not yet empty.
        public let departed: Set<Slot>
        /// The process that registered the slot's sockets; nil: it isn't known.
        public let owner: ProcessIdentity?
        /// The living processes of other slots, as far as they are known.
        public let others: [Slot: ProcessIdentity]
        /// For each group of the pool: the sockets of its port, in the order in which the kernel looks for a
        /// receiver.
        public let sockets: [[BoundSocket]]

        public init(
            cookies: [[Slot: UInt64]], ownerIsGone: Bool, names: [Slot: String], departed: Set<Slot> = [],
            owner: ProcessIdentity? = nil, others: [Slot: ProcessIdentity] = [:], sockets: [[BoundSocket]] = []
        ) {
            self.others = others
            self.cookies = cookies
            self.ownerIsGone = ownerIsGone
            self.names = names
            self.departed = departed
            self.owner = owner
            self.sockets = sockets
        }
    }

    /// Why there is no plan.
    public enum Refusal: Error, Equatable, Sendable {
        /// Permanent: waiting doesn't help.
        case refused(Failure)
        /// Some groups have no socket of the collector yet.
        case incomplete(Failure)

        public var failure: Failure {
            switch self {
            case .refused(let failure), .incomplete(let failure): failure
            }
        }
    }

    /// - Parameters:
    ///   - groups: the pool's, in the order of `occupancy.cookies`.
    ///   - slot: the collector's.
    ///   - process: the process that has the offered sockets; nil: it isn't known.
    ///   - replacing: other live sockets may be in the slot.
    public init(
        collector: String, slot: Slot, offers: [Offer], groups: [ReuseportGroup],
        occupancy: Occupancy, process: ProcessIdentity? = nil, replacing: Bool = false
    ) throws(Refusal) {
        let act = "register \(collector)"
        var placements: [Placement] = []
        for (index, offer) in offers.enumerated() {
            let group = try Self.fittingGroup(for: offer, in: groups, act: act)
            if let other = placements.first(where: { $0.group == group }) {
                // The same socket under two numbers is one offer.
                if offers[other.socket].socket.cookie == offer.socket.cookie { continue }
                throw .refused(
                    Failure(
                        .unfitSocket, act: act,
                        cause: "\(offers[other.socket].label) and \(offer.label) are two sockets of group "
                            + "\(groups[group].name) (\(groups[group].endpoint)), and a collector has one socket in each group",
                        remedy: "give one socket for each group"))
            }
            try Self.checkUser(of: offer, in: groups[group], at: group, occupancy, act: act)
            let isPresent = try Self.checkSlot(
                slot, of: collector, for: offer, of: groups[group], cookies: occupancy.cookies[group], occupancy,
                process, replacing: replacing, act: act)
            placements.append(Placement(group: group, socket: index, isPresent: isPresent))
        }
        // Beside a new socket, what another process left is no part of the collector.
        let isAnother = occupancy.ownerIsGone || replacing && placements.contains { !$0.isPresent }
        let missing = groups.indices.filter { group in
            !placements.contains { $0.group == group } && (isAnother || occupancy.cookies[group][slot] == nil)
        }
        guard missing.isEmpty else {
            let names = missing.map { "\(groups[$0].name) (\(groups[$0].endpoint))" }
            throw .incomplete(
                Failure(
                    .unfitSocket, act: act,
                    cause: "it has no socket for group \(names.joined(separator: ", "))",
                    remedy: "give a socket for every group of the pool; with --pid, wait until all are "
                        + "bound: --wait 30 (nfacctd binds its UDP port some 5 s after BMP)"))
        }
        self.placements = placements
    }

    /// Refuses a socket that the kernel keeps in another group than the one that receives the port's traffic,
    /// because it belongs to another user.
    private static func checkUser(
        of offer: Offer, in group: ReuseportGroup, at index: Int, _ occupancy: Occupancy, act: String
    ) throws(Refusal) {
        guard occupancy.sockets.indices.contains(index),
            let receiver = occupancy.sockets[index].first(where: group.hasMember), receiver.user != offer.socket.user
        else { return }
        // Rather a collector's than the agent's own.
        let receivers = occupancy.sockets[index].filter { group.hasMember($0) && $0.user == receiver.user }
        let registered = receivers.compactMap { socket in
            occupancy.cookies[index].first { $0.value == socket.cookie }.map { (socket, $0.key) }
        }.first
        let collector = registered.flatMap { occupancy.names[$0.1] }.map { ", collector \($0)'s" } ?? ""
        let inode = registered?.0.inode ?? receiver.inode
        throw .refused(
            Failure(
                .conflict, act: act,
                cause:
                    "\(offer.label) (\(offer.socket.endpoint)) belongs to user \(offer.socket.user), and all traffic of "
                    + "group \(group.name) reaches sockets of user \(receiver.user) (inode \(inode)\(collector)): "
                    + "the kernel keeps the sockets of different users in separate reuseport groups",
                remedy: "run all collectors of the pool as one user, and set collector_user to it"))
    }

    /// Refuses a second collector of one name, and a socket that has another slot.
    private static func checkSlot(
        _ slot: Slot, of collector: String, for offer: Offer, of group: ReuseportGroup, cookies: [Slot: UInt64],
        _ occupancy: Occupancy, _ process: ProcessIdentity?, replacing: Bool, act: String
    ) throws(Refusal) -> Bool {
        if let (other, _) = cookies.first(where: { $0.value == offer.socket.cookie && $0.key != slot }) {
            let taken = TakenSocket(
                socket: "\(offer.label) (\(offer.socket.endpoint))",
                holder: occupancy.names[other] ?? "slot \(other.index)",
                isDeparted: occupancy.departed.contains(other), owner: occupancy.others[other], process: process)
            throw .refused(taken.failure(registering: collector, act: act))
        }
        guard let holder = cookies[slot] else { return false }
        if holder == offer.socket.cookie { return true }
        if occupancy.ownerIsGone || replacing { return false }
        throw .refused(
            nameIsTaken(collector, in: group, cookie: holder, owner: occupancy.owner, by: process, act: act))
    }
}
