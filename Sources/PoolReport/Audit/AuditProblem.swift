import PoolModel

/// A difference between the pool and the kernel. Equal values are one lasting problem.
public enum AuditProblem: Hashable, Sendable {
    case programReplaced(ReuseportGroup)
    case programUnseen(ReuseportGroup)
    case programUnreachable(ReuseportGroup)
    case probeUnsendable(ReuseportGroup, errno: Int32?)
    /// A member of the group that no slot has.
    case stranger(ReuseportGroup, Culprit)
    /// A member that no slot has, and that was registered for the collector.
    case leftOver(ReuseportGroup, Culprit, collector: String)
    /// Another program wrote our sockarray.
    case socketReplaced(ReuseportGroup, collector: String)
    case trafficStolen(ReuseportGroup, Culprit, TrafficTheft)
    case noPlaceholder(ReuseportGroup, AuditFacts.PlaceholderRefusal)
    /// The group's interface doesn't exist (yet).
    case interfaceMissing(ReuseportGroup)
    /// Sockets that are bound to no interface receive what comes by the group's, because they were bound later (IPv4)
    /// or earlier (IPv6).
    case interfaceOvertaken(ReuseportGroup)
    /// A registered socket that the program can't select.
    case unselectable(ReuseportGroup, collector: String, Culprit?, errno: Int32)
    /// Sockets of two users, of which one receives the group's traffic.
    case twoUsers(ReuseportGroup, receiver: Culprit, loser: Loser, receiverIsOurs: Bool)
    case stalled(ReuseportGroup, collector: String)
    /// One of the collector's sockets drops what comes, and others have nothing to do.
    case unevenWorkers(ReuseportGroup, collector: String, WorkerChoice)
    /// A collector's socket joined the multicast groups with these addresses.
    case multicastJoined(ReuseportGroup, collector: String, [IPAddress])
    case oneSource(IPAddress)
    case sessionNotEnded(errno: Int32)
    /// All traffic is dropped. `isNewPool`: no collector has ever registered.
    case noCollector(isNewPool: Bool)
    /// Exporters of absent collectors are dropped: the usable collectors drain.
    case exportersWithoutCollector
    /// All traffic of the group is dropped.
    case groupWithoutCollector(ReuseportGroup)
    /// The program hasn't come to the group yet. `otherSockets`: some receive its traffic meanwhile. `isNewPool`:
    /// nobody has joined any group.
    case groupNotJoined(ReuseportGroup, otherSockets: Bool, isNewPool: Bool)
    case reloadFailed(problem: String, remedy: String)

    /// A socket that shouldn't be where it is.
    public struct Culprit: Hashable, Sendable {
        public var address: IPAddress
        public var cookie: UInt64
        /// 0: no descriptor has it.
        public var inode: UInt32
        public var user: UInt32

        public init(_ socket: BoundSocket) {
            address = socket.address
            cookie = socket.cookie
            inode = socket.inode
            user = socket.user
        }
    }

    /// A user whose sockets receive nothing.
    public struct Loser: Hashable, Sendable {
        /// A registered socket, if the user has one.
        public var socket: Culprit
        /// The user's collectors, sorted; the first one has the socket.
        public var collectors: [String]
        /// Part of the table's rows that they own, in percent.
        public var percent: Int
    }

    public enum Level: String, Sendable, Codable {
        /// Traffic goes wrong, or may at any moment.
        case problem
        /// Nothing is lost.
        case note
    }

    /// A fixed name for dashboards.
    public var name: String {
        switch self {
        case .programReplaced: "program_replaced"
        case .programUnseen, .programUnreachable, .probeUnsendable: Self.unverified
        case .stranger: "stranger_in_group"
        case .leftOver: "old_socket_in_group"
        case .socketReplaced: "socket_replaced"
        case .trafficStolen: "traffic_stolen"
        case .noPlaceholder: "no_placeholder"
        case .interfaceMissing: "interface_missing"
        case .interfaceOvertaken: "interface_overtaken"
        case .unselectable: Self.unselectable
        case .twoUsers: Self.twoUsers
        case .stalled: Self.stalled
        case .unevenWorkers: "worker_overloaded"
        case .multicastJoined: Self.multicastJoined
        case .oneSource: "one_source_address"
        case .sessionNotEnded: "session_not_ended"
        case .noCollector: "no_collector"
        case .exportersWithoutCollector: "exporters_without_collector"
        case .groupWithoutCollector: "group_without_collector"
        case .groupNotJoined: Self.notJoined
        case .reloadFailed: Self.failedReload
        }
    }

    static let notJoined = "group_not_joined"
    static let unselectable = "socket_unselectable"
    static let twoUsers = "two_users"
    static let failedReload = "reload_failed"
    static let unverified = "program_unverified"
    static let stalled = "collector_stalled"
    static let multicastJoined = "multicast_joined"

    /// Each name, with the levels that it may have.
    public static let kinds: [(name: String, level: Level)] = [
        ("program_replaced", .problem), (unverified, .problem), (unverified, .note),
        ("stranger_in_group", .problem), ("old_socket_in_group", .note), ("socket_replaced", .problem),
        ("traffic_stolen", .problem), ("no_placeholder", .note), ("interface_missing", .note),
        ("interface_overtaken", .note),
        ("one_source_address", .note),
        ("session_not_ended", .note), (unselectable, .problem), (twoUsers, .problem),
        (stalled, .problem), ("worker_overloaded", .problem), (multicastJoined, .problem),
        ("no_collector", .problem), ("exporters_without_collector", .problem),
        ("group_without_collector", .problem), (notJoined, .problem), (failedReload, .problem),
    ]

    public var level: Level {
        switch self {
        case .programReplaced, .programUnreachable, .stranger, .socketReplaced, .trafficStolen, .unselectable,
            .twoUsers, .stalled, .unevenWorkers, .multicastJoined, .noCollector, .exportersWithoutCollector,
            .groupWithoutCollector,
            .groupNotJoined, .reloadFailed:
            .problem
        case .programUnseen, .probeUnsendable, .leftOver, .noPlaceholder, .interfaceMissing, .interfaceOvertaken,
            .oneSource,
            .sessionNotEnded:
            .note
        }
    }

    /// Names of the problems during which registered collectors don't receive what they should.
    static let outages: Set = [
        "no_collector", "exporters_without_collector", "group_without_collector", notJoined, twoUsers,
        unselectable,
    ]

    /// It comes from `AuditFacts.State`, which is judged without an audit, too.
    var isOfState: Bool {
        switch self {
        case .noCollector, .exportersWithoutCollector, .groupWithoutCollector, .groupNotJoined, .reloadFailed: true
        default: false
        }
    }

    public var group: ReuseportGroup? {
        switch self {
        case .programReplaced(let group), .programUnseen(let group), .programUnreachable(let group),
            .probeUnsendable(let group, _), .stranger(let group, _), .leftOver(let group, _, _),
            .socketReplaced(let group, _), .trafficStolen(let group, _, _), .noPlaceholder(let group, _),
            .interfaceMissing(let group), .interfaceOvertaken(let group),
            .unselectable(let group, _, _, _), .twoUsers(let group, _, _, _), .stalled(let group, _),
            .unevenWorkers(let group, _, _), .multicastJoined(let group, _, _), .groupWithoutCollector(let group),
            .groupNotJoined(let group, _, _):
            group
        case .oneSource, .sessionNotEnded, .noCollector, .exportersWithoutCollector, .reloadFailed: nil
        }
    }

    public var collector: String? {
        switch self {
        case .leftOver(_, _, let name), .socketReplaced(_, let name), .unselectable(_, let name, _, _),
            .stalled(_, let name), .unevenWorkers(_, let name, _), .multicastJoined(_, let name, _):
            name
        case .twoUsers(_, _, let loser, _): loser.collectors.first
        default: nil
        }
    }

    /// How long the problem must last before it is listed: a collector binds BMP seconds
    /// before UDP and registers then, and a probe may be late on a busy machine.
    var reportDelay: Duration {
        switch self {
        case .stranger, .leftOver, .programUnseen, .groupNotJoined(_, _, isNewPool: true),
            .noCollector(isNewPool: true), .trafficStolen(_, _, .peer):
            .seconds(10)
        default: .zero
        }
    }
}

extension AuditFacts {
    /// - Parameter former: collectors by the SO_COOKIE of sockets that they had registered.
    package func problems(former: [UInt64: String]) -> [AuditProblem] {
        let former = former.merging(replaced) { $1 }
        var problems = groups.flatMap { facts in self.problems(of: facts, former) }
        for (collector, name) in stalled {
            guard let group = groups.first(where: { $0.group.name == name })?.group else { continue }
            problems.append(.stalled(group, collector: collector))
        }
        if let loneSource { problems.append(.oneSource(loneSource)) }
        if let resetRefusal { problems.append(.sessionNotEnded(errno: resetRefusal)) }
        return problems + state.problems
    }

    private func problems(of facts: Group, _ former: [UInt64: String]) -> [AuditProblem] {
        let group = facts.group
        var problems: [AuditProblem] = []
        switch facts.probe {
        case .replaced: problems.append(.programReplaced(group))
        case .unseen: problems.append(.programUnseen(group))
        case .unreachable: problems.append(.programUnreachable(group))
        case .unsendable(let errno): problems.append(.probeUnsendable(group, errno: errno))
        case .overtaken: problems.append(.interfaceOvertaken(group))
        case .attached, .empty, .skipped, .overshadowed: break
        }
        problems += facts.unselectable.map { unselectable in
            let socket = facts.sockets.first { $0.cookie == unselectable.cookie }
            return .unselectable(
                group, collector: unselectable.collector, socket.map(AuditProblem.Culprit.init),
                errno: unselectable.errno)
        }
        problems += facts.twoUsers
        problems += facts.uneven.map { .unevenWorkers(group, collector: $0.collector, $0.choice) }
        problems += facts.multicast.map { .multicastJoined(group, collector: $0.collector, $0.addresses) }
        problems += Set(facts.entries.filter { $0.present != nil && $0.present != $0.registered }.map(\.collector))
            .sorted().map { .socketReplaced(group, collector: $0) }
        // Before the program comes to the group, each of its sockets may be about to register.
        // Another user's are no members of the same kernel group: `twoUsers` has them.
        let strangers = facts.strangers.filter { socket in facts.own.map { $0.user == socket.user } ?? true }
        problems += (facts.isClaimed ? strangers : []).map { socket in
            former[socket.cookie].map { .leftOver(group, .init(socket), collector: $0) }
                ?? .stranger(group, .init(socket))
        }
        for socket in facts.sockets where !groups.contains(where: { $0.group.hasMember(socket) }) {
            guard let theft = facts.theft(by: socket) else { continue }
            problems.append(.trafficStolen(group, .init(socket), theft))
        }
        if !facts.hasInterface {
            problems.append(.interfaceMissing(group))
        } else if facts.placeholder == nil, let refusal = facts.placeholderRefusal {
            problems.append(.noPlaceholder(group, refusal))
        }
        return problems
    }
}

extension AuditFacts.Group {
    /// A problem for each user whose sockets receive nothing because another user's do.
    fileprivate var twoUsers: [AuditProblem] {
        guard let receiver else { return [] }
        let registered = Set(entries.compactMap(\.present))
        // The program runs where the agent has attached it: through any socket of that user's.
        let isOurs = sockets.contains {
            group.hasMember($0) && $0.user == receiver.user
                && ($0.cookie == placeholder || registered.contains($0.cookie))
        }
        let losers = sockets.filter { group.hasMember($0) && $0.user != receiver.user }
        return Set(losers.map(\.user)).sorted().compactMap { user in
            let theirs = losers.filter { $0.user == user }
            let starved = starved.filter { entry in theirs.contains { $0.cookie == entry.present } }
                .sorted { $0.collector < $1.collector }
            // A registered socket if there is one: its collector has a name.
            guard let socket = theirs.first(where: { $0.cookie == starved.first?.present }) ?? theirs.first else {
                return nil
            }
            let shares = Dictionary(starved.map { ($0.collector, $0.share) }) { $1 }
            let percent = Int((100 * shares.values.reduce(0, +)).rounded())
            return .twoUsers(
                group, receiver: .init(receiver),
                loser: .init(socket: .init(socket), collectors: shares.keys.sorted(), percent: percent),
                receiverIsOurs: isOurs)
        }
    }
}

extension AuditFacts.State {
    var problems: [AuditProblem] {
        delivery.problems + (reloadFailure.map { [.reloadFailed(problem: $0.problem, remedy: $0.remedy)] } ?? [])
    }
}
