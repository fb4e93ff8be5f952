import CBPFShim
import Glibc
import SockArrayCore

/// Serves all that ask for the status, over a Unix socket and TCP alike.
///
/// The agent has one thread, and registrations are its first duty. So in one turn of
/// its loop at most one request is answered, after everybody else's turn, and a
/// bounded number of clients is read from or written to. What they cost is bounded in
/// bytes, number and seconds (`StatusLimits`).
final class StatusServer: EventSource {
    private struct Listener {
        let socket: ListeningSocket
        /// It is reached from this host alone: a name in Host is a stranger's.
        let checksHost: Bool
        /// It could not accept; it is looked at again then.
        var pausedUntil: UInt64 = 0
    }

    private var listeners: [Listener]
    private let service: StatusService
    private let limits: StatusLimits
    /// In the order in which they came.
    private var connections: [StatusConnection] = []
    /// Whose requests are whole, in the order in which they became so.
    private var queue: [StatusConnection] = []
    /// Where the next turn begins, so that everybody's comes.
    private var cursor = 0
    private var trim = MemoryTrim()

    /// - Parameter endpoint: of the listener that isn't a Unix socket.
    init(
        _ sockets: [ListeningSocket], endpoint: PoolConfiguration.Endpoint?, service: StatusService,
        limits: StatusLimits = .ofProcess
    ) {
        listeners = sockets.map {
            Listener(
                socket: $0, checksHost: endpoint.map { $0.isLoopback } ?? false && $0.name == endpoint?.description)
        }
        self.service = service
        self.limits = limits
    }

    var waits: [pollfd] {
        let now = rpa_monotonic_ns()
        return listeners.map {
            // A negative descriptor is passed over (poll(2)).
            pollfd(fd: $0.pausedUntil <= now ? $0.socket.descriptor.number : -1, events: Int16(POLLIN), revents: 0)
        } + connections.map(\.wait)
    }

    var nextDeadline: UInt64? {
        if !queue.isEmpty || connections.contains(where: isBehind) { return 0 }
        let pauses = listeners.map(\.pausedUntil).filter { $0 > 0 }
        return
            (connections.compactMap(\.nextDeadline) + pauses
            + [service.exporters.expiry, trim.deadline].compactMap { $0 })
            .min()
    }

    func serve(_ results: ArraySlice<pollfd>, now: UInt64) {
        proceed(results.dropFirst(listeners.count).map(\.revents), now: now)
        for connection in connections where connection.isStreaming {
            connection.continueStream(from: service.feed, now: now)
        }
        for (index, result) in results.prefix(listeners.count).enumerated() {
            if listeners[index].pausedUntil <= now { listeners[index].pausedUntil = 0 }
            if result.revents != 0 { accept(at: index, now: now) }
        }
        answerNext(now: now)
        for connection in connections { connection.expire(now: now) }
        connections.removeAll(where: \.isDone)
        service.exporters.forget(now: now)
        if trim.isDue(now: now) {
            rpa_trim_memory()
            trim.noteDone(largeBytesWait: connections.contains { MemoryTrim.isLarge($0.answerBytes) }, now: now)
        }
    }

    private func isBehind(_ connection: StatusConnection) -> Bool {
        if case .streaming(let events) = connection.state { events.isBehind(service.feed) } else { false }
    }

    private func proceed(_ revents: [Int16], now: UInt64) {
        var steps = 0
        let count = revents.count
        for step in 0..<count {
            let index = (cursor + step) % count
            guard revents[index] != 0 else { continue }
            guard steps < limits.stepsPerTurn else {
                cursor = index
                return
            }
            steps += 1
            proceed(connections[index], revents[index], now: now)
        }
    }

    private func proceed(_ connection: StatusConnection, _ revents: Int16, now: UInt64) {
        let wasReading = connection.isReading
        connection.proceed(revents, now: now)
        if wasReading, connection.request != nil { queue.append(connection) }
    }

    private func accept(at index: Int, now: UInt64) {
        for _ in 0..<limits.stepsPerTurn {
            let result = rpa_accept(listeners[index].socket.descriptor.number)
            if result == -EAGAIN || result == -EINTR || result == -ECONNABORTED { return }
            guard result >= 0 else {
                if !makeRoom(now: now) { listeners[index].pausedUntil = now + limits.acceptPause }
                return
            }
            rpa_limit_sending(result, limits.sendBuffer)
            let connection = StatusConnection(
                Descriptor(owning: result), checksHost: listeners[index].checksHost, limits: limits, now: now)
            if connections.count >= limits.connections, !makeRoom(now: now) {
                connection.refuse(Self.busy("too many clients at a time"), now: now)
                continue
            }
            connections.append(connection)
            proceed(connection, Int16(POLLIN), now: now)
        }
    }

    /// The newcomer is served: who has dawdled longest over a request goes.
    private func makeRoom(now: UInt64) -> Bool {
        guard
            let index = connections.firstIndex(where: \.isDone) ?? connections.firstIndex(where: \.isParting)
                ?? connections.firstIndex(where: \.isReading)
        else { return false }
        let connection = connections.remove(at: index)
        if connection.isReading { connection.refuse(Self.busy("others wait, and the request wasn't whole"), now: now) }
        return true
    }

    /// One of those whose requests are whole.
    private func answerNext(now: UInt64) {
        queue.removeAll { $0.request == nil }
        guard let next = queue.first, let request = next.request else { return }
        queue.removeFirst()
        giveUpSlowReaders()
        if next.checksHost, request.hasForeignHost {
            let text = "Host is \(request.host?.shown ?? ""); here only an address or localhost is answered"
            next.answer(.problem(HTTPProblem(421, text)), now: now)
            return
        }
        switch service.answer(to: request) {
        case .response(let response):
            if MemoryTrim.isLarge(response.body.count) { trim.noteLargeAnswer(now: now) }
            next.answer(response, now: rpa_monotonic_ns())
        case .events where request.method == "HEAD":
            next.answer(.events, now: now)
        case .events where connections.count(where: \.isStreaming) >= limits.streams:
            next.answer(Self.busy("\(limits.streams) readers of events are there already"), now: now)
        case .events(let position): next.stream(service.feed, from: position, now: rpa_monotonic_ns())
        }
    }

    /// Until there is room for another answer.
    private func giveUpSlowReaders() {
        var readers = connections.filter { $0.waitingBytes > 0 }
        var waiting = readers.reduce(0) { $0 + $1.waitingBytes }
        if waiting > limits.waitingBytes { readers.sort { $0.lastProgress < $1.lastProgress } }
        for reader in readers {
            guard waiting > limits.waitingBytes else { return }
            waiting -= reader.waitingBytes
            reader.giveUp()
        }
    }

    private static func busy(_ text: String) -> HTTPResponse {
        .problem(HTTPProblem(503, text), fields: ["Retry-After: 1"])
    }
}
