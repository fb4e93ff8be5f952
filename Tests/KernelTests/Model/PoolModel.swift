/// The documented behavior of a pool with two groups, udp and tcp, as a value without a kernel.
/// Only operations let time pass.
///
/// The ranks of each source are an input, because the assignment has tests of its own. The model
/// decides which of the ranked collectors has the source at each moment.
struct PoolModel {
    enum Stream: Int, CaseIterable { case udp, tcp }

    /// The number of a socket. Numbers aren't reused.
    typealias Socket = Int

    /// A collector's process with its open sockets.
    struct Process {
        let collector: String
        /// By stream.
        var sockets: [[Socket]]
    }

    /// The time since which a slot is known to be vacant.
    enum Clock: Equatable {
        case since(Int)
        /// The hold is over: no row is held for the slot.
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
        /// By stream, those that were closed since included.
        var sockets: [[Socket]] = [[], []]
        var clock: Clock?
        var drain: Drain?
        /// Whether the sockets' user is known, so that the agent can make placeholders.
        var hasUser = false
    }

    /// A row: the collector where it waits, if it waits, and then its target ranks.
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
        /// Whether its collector has been usable in both groups since the session began.
        var isIntact = true
    }

    /// restart_hold, in the model's own unit of time.
    static let hold = 100

    var now = 0
    var hasAgent = true
    /// The weights of the configured collectors, by name.
    var collectors: [String: Int] { didSet { ranksByRow = ranking(collectors) } }
    /// By name, including departed collectors.
    var places: [String: Place] = [:]
    var processes: [Int: Process] = [:]
    var openSockets: [Socket: Stream] = [:]
    /// Whether the program is attached to the group, by stream.
    var isAttached = [false, false]
    /// The rows of the sources first, then all others.
    var rows: [Row]
    var sessions: [Int: Session] = [:]
    /// The index in the table of each row in `rows`.
    let rowNumbers: [Int]
    let sources: Range<Int>
    /// Computes the ranks of each row from names and weights.
    private let ranking: ([String: Int]) -> [[String]]
    /// The ranks of each row for the configuration in force.
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
        place.sockets.allSatisfy { $0.contains { openSockets[$0] != nil } }
    }

    /// The slot's sockets that are open.
    func sockets(_ name: String, _ stream: Stream) -> [Socket] {
        places[name]?.sockets[stream.rawValue].filter { openSockets[$0] != nil } ?? []
    }

    func openSockets(of process: Int) -> [Socket] { processes[process]!.sockets.flatMap(\.self) }

    // MARK: - Processes

    /// A process with so many sockets for each group, not registered yet.
    mutating func launch(_ name: String, workers: Int = 1) -> Int {
        lastProcess += 1
        processes[lastProcess] = Process(
            collector: name, sockets: Stream.allCases.map { stream in (0..<workers).map { _ in openSocket(stream) } })
        return lastProcess
    }

    mutating func openSocket(_ stream: Stream) -> Socket {
        lastSocket += 1
        openSockets[lastSocket] = stream
        return lastSocket
    }

    mutating func close(_ socket: Socket) {
        guard let stream = openSockets.removeValue(forKey: socket) else { return }
        // The kernel drops a group, and with it the program, with its last socket.
        if !openSockets.values.contains(stream), !hasPlaceholder[stream.rawValue] {
            isAttached[stream.rawValue] = false
        }
    }

    /// Ends a process and the sessions that it has accepted.
    mutating func end(_ process: Int, keeping kept: Stream? = nil) {
        for stream in Stream.allCases where stream != kept {
            processes[process]!.sockets[stream.rawValue].forEach { close($0) }
        }
        processes[process] = nil
        sessions = sessions.filter { $0.value.process != process }
    }

    /// The process whose sockets are in the slot, if any.
    func registered(_ name: String) -> Int? {
        let sockets = places[name]!.sockets.flatMap(\.self)
        return processes.first { $0.value.sockets.joined().contains(where: sockets.contains) }?.key
    }

    /// Whether the agent has a socket of its own in the group, by stream.
    var hasPlaceholder = [false, false]
}
