import CBPFShim
import Glibc
import SockArrayCore

/// Serves the clients of one or more listening sockets, and never blocks.
///
/// What the clients cost is bounded in bytes, number and time (`ConnectionLimits`), and in one turn of
/// the agent's loop, a bounded number of clients is read, written and answered.
///
/// **Eviction.** A full server makes room for a new client by closing one connection, which is the
/// first of:
///
/// 1. a connection that has its answer;
/// 2. the connection that has kept the agent waiting longest, if its grace is over. The server reads it
///    once more before, because the request may have come while the agent was busy.
///
/// If no grace is over yet, new clients wait in the socket's queue until then, or until a connection
/// ends. If no connection may be closed (each one waits for the agent, takes its answer, or reads
/// events), the new client is refused. Idle clients can therefore delay others by at most the grace, and
/// can't keep them out, and no complete request is lost to a new client.
final class ConnectionServer: EventSource {
    typealias Listener = (socket: ListeningSocket, codec: any ConnectionCodec)

    private let listeners: [Listener]
    private let limits: ConnectionLimits
    /// In the order of their acceptance.
    private var connections: [Connection] = []
    /// The connection with which the next turn begins, for fairness if a turn is too short for all.
    private var cursor = 0
    private var answersLeft = 0
    /// No client is accepted before this time.
    private var pausedUntil: ContinuousClock.Instant?
    private var trim = MemoryTrim()

    init(_ listeners: [Listener], limits: ConnectionLimits) {
        self.listeners = listeners
        self.limits = limits
    }

    var waits: [pollfd] {
        listeners.map { pollfd(reading: pausedUntil == nil ? $0.socket.descriptor.number : nil) }
            + connections.map(\.wait)
    }

    var nextDeadline: ContinuousClock.Instant? {
        (connections.map(\.nextDeadline) + [pausedUntil, trim.deadline]).compactMap(\.self).min()
    }

    func serve(_ results: ArraySlice<pollfd>, now: ContinuousClock.Instant) {
        answersLeft = limits.answersPerTurn
        // Before `connections` changes: the results are in its order.
        proceed(results.dropFirst(listeners.count).map(\.revents), now: now)
        for connection in connections { connection.continueStream(now: now) }
        if pausedUntil.isDue(at: now) { pausedUntil = nil }
        for (listener, result) in zip(listeners, results) where result.revents != 0 { accept(from: listener, now: now) }
        answerWaiting()
        for connection in connections { connection.expire(now: now) }
        let count = connections.count
        connections.removeAll(where: \.isDone)
        // There is room now, and a free descriptor.
        if connections.count < count { pausedUntil = nil }
        if trim.deadline.isDue(at: now) {
            rpa_trim_memory()
            trim.noteDone(largeBytesWait: connections.contains { MemoryTrim.isLarge($0.answerBytes) }, now: now)
        }
    }

    private func proceed(_ revents: [Int16], now: ContinuousClock.Instant) {
        var steps = 0
        let count = revents.count
        for step in 0..<count {
            let index = (cursor + step) % count
            guard revents[index] != 0 else { continue }
            guard steps < ConnectionLimits.stepsPerTurn else {
                cursor = index
                return
            }
            steps += 1
            connections[index].proceed(revents[index], now: now)
        }
    }

    private func accept(from listener: Listener, now: ContinuousClock.Instant) {
        for _ in 0..<ConnectionLimits.stepsPerTurn {
            let isFull = connections.count >= limits.connections
            let leaving = isFull ? nextToReplace(now: now) : nil
            if let leaving, leaving.from > now {
                pausedUntil = leaving.from
                return
            }
            let result = rpa_accept(listener.socket.descriptor.number)
            if [-EAGAIN, -EINTR, -ECONNABORTED].contains(result) { return }
            guard result >= 0 else {
                // A closed connection leaves its descriptor and memory to the next turn's client.
                if let leaving = leaving ?? nextToReplace(now: now), leaving.from <= now {
                    close(leaving.connection, now: now)
                } else {
                    pausedUntil = now + ConnectionLimits.acceptPause
                }
                return
            }
            let connection = Connection(
                Descriptor(owning: result), codec: listener.codec, limits: limits, now: now)
            if let leaving {
                close(leaving.connection, now: now)
            } else if isFull {
                connection.close(because: .serverFull, now: now)
                continue
            }
            connections.append(connection)
            // Most requests are there already.
            connection.proceed(now: now)
        }
    }

    /// The connection that is the first to be closed for a new one, and from when on; nil: none may be
    /// closed.
    private func nextToReplace(
        now: ContinuousClock.Instant
    ) -> (connection: Connection, from: ContinuousClock.Instant)? {
        var last: Connection?
        while true {
            answerWaiting()
            let next = connections.compactMap { connection in
                connection.replaceableFrom.map { (connection: connection, from: $0) }
            }.min { $0.from < $1.from }
            guard let next, next.from <= now, next.connection !== last else { return next }
            next.connection.proceed(now: now)
            last = next.connection
        }
    }

    private func close(_ connection: Connection, now: ContinuousClock.Instant) {
        connections.removeAll { $0 === connection }
        if connection.isReading { connection.close(because: .replaced, now: now) }
    }

    /// Answers complete requests, in the order of their connections, as far as the turn's limit allows.
    private func answerWaiting() {
        while answersLeft > 0, let next = connections.first(where: \.isWaiting) {
            answersLeft -= 1
            abandonSlowReaders()
            let answer = next.makeAnswer()
            // The time that the answer took isn't the client's.
            let now = ContinuousClock.now
            switch answer {
            case .bytes(let bytes):
                if MemoryTrim.isLarge(bytes.count) { trim.noteLargeAnswer(now: now) }
                next.send(bytes, now: now)
            case .stream where connections.count(where: \.isStreaming) >= limits.streams:
                next.send(next.codec.refusal(.tooManyStreams(limit: limits.streams)) ?? [], now: now)
            case .stream(let events): next.send(events, now: now)
            case nil: break
            }
        }
    }

    /// Makes room for another answer: the readers that have taken nothing for longest lose theirs.
    private func abandonSlowReaders() {
        while connections.reduce(0, { $0 + $1.waitingBytes }) > limits.waitingBytes {
            connections.filter { $0.waitingBytes > 0 }.min { $0.lastProgress < $1.lastProgress }?.abandon()
        }
    }
}

/// How much the clients of one server can cost.
struct ConnectionLimits {
    /// Simultaneous connections.
    let connections: Int
    /// How many of the connections may read events.
    var streams = 0
    /// Whether clients may pass descriptors.
    var takesDescriptors = false
    /// Answers that are made in one turn of the agent's loop.
    var answersPerTurn = Int.max
    /// Total bytes of answers that wait for their readers.
    var waitingBytes = Int.max
    /// Half of the bytes that may wait in the kernel for one reader; nil: the kernel's default.
    var sendBuffer: Int32?
    /// How long a connection whose request is incomplete is safe from new clients.
    var requestGrace = Duration.zero
    /// How long a reader that takes nothing of its answer is safe from new clients; nil: always.
    var answerGrace: Duration?
    /// From the connection to the end of the request.
    let requestTime: Duration
    /// From the answer to its last sent byte.
    let answerTime: Duration

    /// How long a client that sends more than its request has to close the connection.
    static let farewellTime = Duration.seconds(1)
    /// Pause after an accept(2) that failed for lack of descriptors or memory.
    static let acceptPause = Duration.milliseconds(100)
    /// How long a reader of events may take nothing before it is closed.
    static let streamTimeout = Duration.seconds(60)
    /// Connections that are accepted, read or written in one turn of the agent's loop.
    static let stepsPerTurn = 64

    /// The status server: clients may be anybody, and registrations come first, hence one answer in a
    /// turn. A quarter of the agent's open files may be clients, and collectors' sockets always find
    /// room. Over loopback TCP, the kernel would buffer megabytes for each reader.
    static func status(openFiles: Int) -> ConnectionLimits {
        let connections = min(512, max(16, openFiles / 4))
        return ConnectionLimits(
            connections: connections, streams: min(32, connections / 4), answersPerTurn: 1, waitingBytes: 2 << 20,
            sendBuffer: 65_536, requestTime: .seconds(5), answerTime: .seconds(10))
    }

    /// With the limit of open files of this process.
    static var status: ConnectionLimits {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return status(openFiles: Int(min(limit.rlim_cur, 1 << 20)))
    }

    /// The control socket: clients are privileged, and each request is carried out in the turn in which
    /// it is complete. A client has 200 ms for its request, also on a busy machine, before it may give
    /// way to a new client.
    static let control = ConnectionLimits(
        connections: 64, takesDescriptors: true, requestGrace: .milliseconds(200), answerGrace: .milliseconds(200),
        requestTime: .seconds(5), answerTime: .seconds(5))
}
