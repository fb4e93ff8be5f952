/// What a pool of two groups, udp and tcp, is to do, told from its documents: a
/// value without a kernel. Time passes when an operation says so.
///
/// Which collectors a source has, and in which order, is given: the assignment has
/// tests of its own. Here it is about who of them has the source at a moment.
struct PoolModel {
    enum Stream: Int, CaseIterable { case udp, tcp }

    /// One socket of some process, for good.
    typealias Socket = Int

    /// A collector's process: its sockets that are open.
    struct Process {
        let collector: String
        var sockets: [Socket?]
    }

    /// Since when a slot is known to be vacant.
    enum Clock: Equatable {
        case since(Int)
        /// No row waits for it.
        case longAgo
    }

    enum Drain: Equatable {
        case asked
        /// The name left the configuration.
        case departure
    }

    struct Place {
        let slot: Int
        var registrations = 0
        var sockets: [Socket?] = [nil, nil]
        var clock: Clock?
        var drain: Drain?
        /// Whose the sockets are is known: the agent can make placeholders.
        var hasUser = false
    }

    /// What a row says: the collector where it waits, if it does, before
    /// the ranks that it is to have.
    struct Row: Equatable {
        var desired: [String]
        var stay: String?

        static let capacity = 4

        var ranks: [String] {
            Array(((stay.map { [$0] } ?? []) + desired.filter { $0 != stay }).prefix(Self.capacity))
        }
    }

    /// A router's BMP session.
    struct Session {
        let collector: String
        let process: Int
        /// Its collector has been completely usable since then.
        var isIntact = true
    }

    /// restart_hold, in the model's own unit of time.
    static let hold = 100

    var now = 0
    var hasAgent = true
    /// Names and weights.
    var collectors: [String: Int] { didSet { ranksByRow = ranking(collectors) } }
    /// By name, departed ones included.
    var places: [String: Place] = [:]
    var processes: [Int: Process] = [:]
    var openSockets: [Socket: Stream] = [:]
    /// The program is asked in the group.
    var isAttached = [false, false]
    /// Those of the sources first, then all others.
    var rows: [Row]
    var sessions: [Int: Session] = [:]
    /// Index of each of these rows in the table.
    let rowNumbers: [Int]
    let sources: Range<Int>
    /// By names and weights: for each row its collectors in their order.
    private let ranking: ([String: Int]) -> [[String]]
    /// By the configuration in force.
    var ranksByRow: [[String]]
    private var lastSocket = 0
    private var lastProcess = 0

    init(
        collectors: [String: Int], sourceCount: Int, rowNumbers: [Int],
        ranking: @escaping ([String: Int]) -> [[String]]
    ) {
        sources = 0..<sourceCount
        self.collectors = collectors
        self.rowNumbers = rowNumbers
        self.ranking = ranking
        for (slot, name) in collectors.keys.sorted().enumerated() { places[name] = Place(slot: slot) }
        ranksByRow = ranking(collectors)
        rows = ranksByRow.map { Row(desired: $0) }
    }

    // MARK: - States

    enum State: String { case empty, absent, active, draining, holding, failed }

    func state(_ name: String) -> State {
        let place = places[name]!
        switch place.clock {
        case .since(let start) where now - start < Self.hold: return .holding
        case .some: return place.registrations == 0 ? .absent : .failed
        case nil where place.registrations == 0: return .empty
        case nil where isWhole(place): return place.drain == nil ? .active : .draining
        case nil: return .holding
        }
    }

    func isUsable(_ name: String) -> Bool { [.active, .draining].contains(state(name)) }

    func isWhole(_ place: Place) -> Bool {
        place.sockets.allSatisfy { $0.map { openSockets[$0] != nil } ?? false }
    }

    /// The slot's socket, if it is open.
    func socket(_ name: String, _ stream: Stream) -> Socket? {
        places[name]?.sockets[stream.rawValue].flatMap { openSockets[$0] == nil ? nil : $0 }
    }

    // MARK: - Processes

    /// A process with a socket for each group, not registered yet.
    mutating func launch(_ name: String) -> Int {
        lastProcess += 1
        processes[lastProcess] = Process(collector: name, sockets: [openSocket(.udp), openSocket(.tcp)])
        return lastProcess
    }

    mutating func openSocket(_ stream: Stream) -> Socket {
        lastSocket += 1
        openSockets[lastSocket] = stream
        return lastSocket
    }

    mutating func close(_ socket: Socket?) {
        guard let socket, let stream = openSockets.removeValue(forKey: socket) else { return }
        // The kernel drops a group, and with it the program, with its last socket.
        if !openSockets.values.contains(stream), !hasPlaceholder { isAttached[stream.rawValue] = false }
    }

    /// The process ends; with it what it has accepted.
    mutating func end(_ process: Int, keeping kept: Stream? = nil) {
        for stream in Stream.allCases where stream != kept { close(processes[process]?.sockets[stream.rawValue]) }
        processes[process] = nil
        sessions = sessions.filter { $0.value.process != process }
    }

    /// The process whose sockets are in the slot, if any.
    func registered(_ name: String) -> Int? {
        let sockets = places[name]!.sockets.compactMap(\.self)
        return processes.first { $0.value.sockets.contains { $0.map(sockets.contains) ?? false } }?.key
    }

    /// The agent keeps both groups.
    var hasPlaceholder = false
}
