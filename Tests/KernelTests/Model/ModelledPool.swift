import Glibc
import PoolModel
import SockArrayCore
import TelemetryLab
import TestSupport

/// A real pool that repeats each operation of a model with real sockets. To let time pass,
/// it sets the clocks of the slots back.
final class ModelledPool {
    private(set) var kernel: Pool?
    private(set) var configuration: PoolConfiguration
    private(set) var sockets: [PoolModel.Socket: Member] = [:]
    private var sessions: [Int: Session] = [:]
    private var processes: [Int: PoolModel.Process] = [:]
    private let foreign: ForeignSocketArray
    let sources: [IPAddress]
    private let exporters: [InternetSocket]

    /// Far longer than a sequence takes. A clock is set back by at most three times this
    /// duration, and not beyond the start of the machine.
    static let hold = min(.seconds(60), uptime / 4)
    private static let target = IPAddress.v4(0x7f00_0001)

    private static var uptime: Duration {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return .seconds(now.tv_sec)
    }

    struct Member {
        let socket: InternetSocket
        let stream: PoolModel.Stream
        let cookie: UInt64
    }

    private struct Session {
        let client: InternetSocket
        let accepted: InternetSocket
    }

    init(_ configuration: PoolConfiguration, sources: [IPAddress]) throws {
        self.configuration = configuration
        self.sources = sources
        exporters = try sources.map { try InternetSocket(.udp, bind: $0) }
        foreign = try ForeignSocketArray()
        kernel = try Pool(adopting: configuration)
    }

    /// Removes the pool from the kernel.
    func remove() throws {
        sessions = [:]
        sockets = [:]
        kernel = nil
        _ = try PoolRemoval(pool: configuration.pool, bpffs: configuration.bpffs)
    }

    /// - Parameter model: the model after the operation.
    /// - Returns: whether the pool carried the operation out; for a session, the socket that accepted it.
    func carryOut(_ operation: PoolOperation, _ model: PoolModel) throws -> (isDone: Bool, acceptedBy: Int?) {
        for (socket, stream) in model.openSockets where sockets[socket] == nil {
            sockets[socket] = try member(stream)
        }
        var answer: (isDone: Bool, acceptedBy: Int?) = (true, nil)
        switch operation {
        case .register(let name, let replacing, _), .registerTaken(let name, let replacing):
            let process = model.processes.filter { $0.value.collector == name }.keys.max()!
            let offered = model.openSockets(of: process).map { sockets[$0]!.socket }
            if case .registerTaken = operation { try foreign.take(offered.last!) }
            answer.isDone = register(name, offered, replacing: replacing)
        case .mend(let name), .join(let name):
            let offered = model.openSockets(of: model.registered(name)!).map { sockets[$0]!.socket }
            var isJoining = false
            if case .join = operation { isJoining = true }
            answer.isDone = register(name, offered, replacing: isJoining)
        case .unregister(let name): _ = try kernel!.unregister(name)
        case .drain(let name): _ = try kernel!.drain(name)
        case .undrain(let name): _ = try kernel!.undrain(name)
        case .configure(let collectors):
            configuration.collectors = Self.list(collectors)
            if let remainder = try kernel!.reload(configuration) { throw remainder }
        case .killAgent: kernel = nil
        case .startAgent: kernel = try Pool(adopting: configuration)
        case .wait(let time):
            try PinnedMaps.letPass(Self.hold * time / PoolModel.hold, pool: configuration.pool)
        case .openSession(let source): answer.acceptedBy = try openSession(source)
        case .leaveOrphan, .endProcess, .loseSocket, .endSession, .nothing: break
        }
        try follow(operation, model)
        return answer
    }

    static let ipfixPort = PoolFixture.ipfixPort
    static let bmpPort = PoolFixture.bmpPort

    static func list(_ collectors: [String: Int]) -> [PoolConfiguration.Collector] {
        collectors.sorted { $0.key < $1.key }.map { name, weight in
            var collector = PoolConfiguration.Collector(name: name, weight: weight)
            // Each name with another one.
            collector.workers = WorkerChoice.allCases[Int(name.dropFirst())! % WorkerChoice.allCases.count]
            return collector
        }
    }

    private func member(_ stream: PoolModel.Stream) throws -> Member {
        let group = configuration.groups.first { $0.transport == (stream == .udp ? .udp : .tcp) }!
        let socket = try group.newMember()
        return Member(socket: socket, stream: stream, cookie: try socket.cookie)
    }

    /// Closes the sockets and sessions that the model no longer has, and notifies the agent, as the daemon does.
    private func follow(_ operation: PoolOperation, _ model: PoolModel) throws {
        let slots = try kernel?.registeredSockets(act: "test") ?? [:]
        var ended: Set<Slot> = []
        if case .leaveOrphan(let process) = operation {
            ended = Set(processes[process]!.sockets.joined().compactMap { slots[sockets[$0]!.cookie] })
        }
        processes = model.processes
        sessions = sessions.filter { model.sessions[$0.key] != nil }
        let closed = sockets.keys.filter { model.openSockets[$0] == nil }
        for socket in closed { sockets[socket] = nil }
        guard let kernel else {
            // The program checks the other groups once a jiffy.
            if !closed.isEmpty { Jiffies.pass() }
            return
        }
        for slot in ended { try kernel.noteLoss(of: slot, hasEnded: true, act: "test") }
        for slot in try kernel.lostSlots(act: "test") { try kernel.noteLoss(of: slot, hasEnded: false, act: "test") }
        _ = try kernel.sweepSessions(after: 0, act: "test")
        try kernel.releaseRows(act: "test")
    }

    private func register(_ name: String, _ offered: [InternetSocket], replacing: Bool) -> Bool {
        do {
            let offers = try offered.map { try PoolFixture.offer($0.number) }
            _ = try kernel!.register(name, offers, owner: nil, replacing: replacing)
            return true
        } catch {
            return false
        }
    }

    // MARK: - Traffic

    /// Each source sends a datagram, or connects for a moment.
    ///
    /// - Returns: for each source, the sockets that it reached.
    func probe(_ senders: [Int], _ stream: PoolModel.Stream) throws -> [[PoolModel.Socket]] {
        var routers: [InternetSocket] = []
        for source in senders {
            switch stream {
            case .udp: try? exporters[source].send([1, 2, 3], to: Self.target, Self.ipfixPort)
            case .tcp:
                let router = try InternetSocket(.tcp, bind: sources[source])
                try? router.connect(Self.target, Self.bmpPort)
                routers.append(router)
            }
        }
        var reached: [IPAddress: [PoolModel.Socket]] = [:]
        for (number, socket) in members(stream) {
            let arrived = stream == .udp ? socket.receiveWaiting().map(\.source) : socket.acceptWaiting()
            for source in arrived { reached[source, default: []].append(number) }
        }
        return senders.map { reached[sources[$0]] ?? [] }
    }

    private func openSession(_ source: Int) throws -> PoolModel.Socket? {
        let router = try InternetSocket(.tcp, bind: sources[source])
        guard (try? router.connect(Self.target, Self.bmpPort)) != nil else { return nil }
        for (number, socket) in members(.tcp) {
            for (_, connection) in socket.acceptSessions() {
                sessions[source] = Session(client: router, accepted: connection)
                return number
            }
        }
        return nil
    }

    private func members(_ stream: PoolModel.Stream) -> [(PoolModel.Socket, InternetSocket)] {
        sockets.filter { $0.value.stream == stream }.map { ($0.key, $0.value.socket) }
    }
}
