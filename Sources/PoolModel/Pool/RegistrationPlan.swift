/// The writes of a registration, decided before the first write from the offered
/// sockets and the content of the sockarrays.
public struct RegistrationPlan: Equatable, Sendable {
    /// An offered socket, and the entry of one group's sockarray that it gets.
    public struct Placement: Equatable, Sendable {
        /// Index in the pool's list of groups.
        public let group: Int
        /// Index in the list of offered sockets.
        public let socket: Int
        public let entry: SocketEntry
        /// The slot's entry that it has already; nil: it comes to the slot.
        public let present: SocketEntry?

        /// The slot has the socket already.
        public var isPresent: Bool { present != nil }
        /// It has another entry of the slot: it closes a gap that a closed socket left.
        public var isMove: Bool { present.map { $0 != entry } ?? false }
    }

    /// A socket of another process that leaves the slot.
    public struct Removal: Equatable, Sendable {
        /// Index in the pool's list of groups.
        public let group: Int
        public let entry: SocketEntry
        /// SO_COOKIE.
        public let cookie: UInt64
    }

    public let placements: [Placement]
    public let removals: [Removal]
    /// For each group of the pool: the number of entries among which the program chooses afterward; nil: as before.
    public let spans: [Int?]

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
        /// For each group of the pool: cookies by entry, live sockets only.
        public let cookies: [[SocketEntry: UInt64]]
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
            cookies: [[SocketEntry: UInt64]], ownerIsGone: Bool, names: [Slot: String], departed: Set<Slot> = [],
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
    ///   - workers: which of several sockets in a group receives a run.
    public init(
        collector: String, slot: Slot, offers: [Offer], groups: [ReuseportGroup],
        occupancy: Occupancy, process: ProcessIdentity? = nil, replacing: Bool = false,
        workers: WorkerChoice = .exporter
    ) throws(Refusal) {
        let act = "register \(collector)"
        let offered = try Self.offersByGroup(offers, groups, act: act)
        for (group, indices) in offered.enumerated() {
            for index in indices {
                try Self.checkUser(
                    of: offers[index], beside: offers[indices[0]], in: groups[group], at: group, occupancy, act: act)
                try Self.checkHolder(of: offers[index], at: group, slot, collector, occupancy, process, act: act)
            }
        }
        var (placements, removals, spans): ([Placement], [Removal], [Int?]) = ([], [], [])
        for (group, indices) in offered.enumerated() {
            let leaving = try Self.leaving(
                slot, of: collector, for: indices.map { offers[$0].socket.cookie }, at: group, of: groups[group],
                occupancy, process, replacing: replacing, act: act)
            removals += leaving.map { Removal(group: group, entry: $0.key, cookie: $0.value) }
            let (placed, span) = try Self.placements(
                of: indices, offers, at: group, slot, besides: leaving, occupancy, by: workers)
            if let span, span > SocketEntry.workerLimit {
                throw .refused(Self.hasTooManySockets(span, in: groups[group], act: act))
            }
            placements += placed
            spans.append(span)
        }
        // Beside a new socket, what another process left is no part of the collector.
        let isAnother = occupancy.ownerIsGone || replacing && placements.contains { !$0.isPresent }
        let missing = groups.indices.filter { group in
            offered[group].isEmpty
                && (isAnother || !occupancy.cookies[group].keys.contains { $0.slot == slot })
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
        (self.placements, self.removals, self.spans) = (placements, removals, spans)
    }

    /// Indices of the offers, for each group. The same socket under two numbers is one offer.
    private static func offersByGroup(
        _ offers: [Offer], _ groups: [ReuseportGroup], act: String
    ) throws(Refusal) -> [[Int]] {
        var byGroup = [[Int]](repeating: [], count: groups.count)
        var seen: Set<UInt64> = []
        for (index, offer) in offers.enumerated() {
            let group = try fittingGroup(for: offer, in: groups, act: act)
            if seen.insert(offer.socket.cookie).inserted { byGroup[group].append(index) }
        }
        return byGroup
    }

    /// The slot's sockets that leave it: those of another process, of which the present one has offered none.
    ///
    /// - Parameter cookies: SO_COOKIE of the sockets that are offered for the group.
    private static func leaving(
        _ slot: Slot, of collector: String, for cookies: [UInt64], at index: Int, of group: ReuseportGroup,
        _ occupancy: Occupancy, _ process: ProcessIdentity?, replacing: Bool, act: String
    ) throws(Refusal) -> [SocketEntry: UInt64] {
        let present = occupancy.cookies[index].filter { $0.key.slot == slot }
        let others = present.filter { !cookies.contains($0.value) }
        if others.isEmpty || cookies.isEmpty { return [:] }
        if occupancy.ownerIsGone { return others }
        // It renews what is registered.
        if cookies.allSatisfy(present.values.contains) { return [:] }
        if replacing { return others }
        // More sockets of the same process.
        if let process, process == occupancy.owner { return [:] }
        throw .refused(
            nameIsTaken(
                collector, in: group, cookie: others.min { $0.key < $1.key }!.value, owner: occupancy.owner,
                by: process, act: act))
    }

    /// - Parameter leaving: sockets that leave the slot.
    /// - Returns: also the number of entries among which the program chooses; nil: nothing was offered.
    private static func placements(
        of indices: [Int], _ offers: [Offer], at group: Int, _ slot: Slot, besides leaving: [SocketEntry: UInt64],
        _ occupancy: Occupancy, by choice: WorkerChoice
    ) -> (placements: [Placement], span: Int?) {
        if indices.isEmpty { return ([], nil) }
        let present = occupancy.cookies[group].filter { $0.key.slot == slot && leaving[$0.key] == nil }
        let workers = Dictionary(present.map { ($0.value, $0.key.worker) }) { $1 }
        let offered = indices.map { index in
            let socket = offers[index].socket
            return WorkerEntries.Socket(
                cookie: socket.cookie, cpu: socket.incomingCPU, worker: workers[socket.cookie])
        }
        let cookies = Set(offered.map(\.cookie))
        let staying = present.filter { !cookies.contains($0.value) }.sorted { $0.key < $1.key }
            .map { WorkerEntries.Socket(cookie: $0.value, worker: $0.key.worker, isMovable: false) }
        let entries = WorkerEntries(offered + staying, by: choice)
        let placements = zip(indices, zip(offered, entries.workers)).map { index, place in
            Placement(
                group: group, socket: index, entry: SocketEntry(slot, worker: place.1),
                present: place.0.worker.map { SocketEntry(slot, worker: $0) })
        }
        return (placements, entries.span)
    }

    private static func hasTooManySockets(_ count: Int, in group: ReuseportGroup, act: String) -> Failure {
        Failure(
            .unfitSocket, act: act,
            cause: "it has \(count) sockets in group \(group.name) (\(group.endpoint)), and a collector can have "
                + "\(SocketEntry.workerLimit) in each group",
            remedy: "let the collector open fewer sockets (workers), or run several collectors")
    }

    /// Refuses a socket that the kernel keeps in another group than the one that receives the port's traffic,
    /// because it belongs to another user.
    ///
    /// - Parameter first: the first one that was offered for the group.
    private static func checkUser(
        of offer: Offer, beside first: Offer, in group: ReuseportGroup, at index: Int, _ occupancy: Occupancy,
        act: String
    ) throws(Refusal) {
        guard first.socket.user == offer.socket.user else {
            throw .refused(
                Failure(
                    .unfitSocket, act: act,
                    cause: "\(first.label) belongs to user \(first.socket.user) and \(offer.label) to user "
                        + "\(offer.socket.user), and both are sockets of group \(group.name) (\(group.endpoint)): the "
                        + "kernel keeps the sockets of different users in separate reuseport groups",
                    remedy: "let one user bind all sockets of the collector"))
        }
        guard occupancy.sockets.indices.contains(index),
            let receiver = occupancy.sockets[index].first(where: group.hasMember), receiver.user != offer.socket.user
        else { return }
        // Rather a collector's than the agent's own.
        let receivers = occupancy.sockets[index].filter { group.hasMember($0) && $0.user == receiver.user }
        let registered = receivers.compactMap { socket in
            occupancy.cookies[index].first { $0.value == socket.cookie }.map { (socket, $0.key.slot) }
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

    /// Refuses a socket that another slot has.
    private static func checkHolder(
        of offer: Offer, at group: Int, _ slot: Slot, _ collector: String, _ occupancy: Occupancy,
        _ process: ProcessIdentity?, act: String
    ) throws(Refusal) {
        let holder = occupancy.cookies[group].first { $0.value == offer.socket.cookie }?.key.slot
        guard let holder, holder != slot else { return }
        let taken = TakenSocket(
            socket: "\(offer.label) (\(offer.socket.endpoint))",
            holder: occupancy.names[holder] ?? "slot \(holder.index)",
            isDeparted: occupancy.departed.contains(holder), owner: occupancy.others[holder], process: process)
        throw .refused(taken.failure(registering: collector, act: act))
    }
}
