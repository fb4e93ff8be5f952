import CBPFShim
import Glibc
import SockArrayCore

/// A socket on which each connection carries one request and its answer.
///
/// It never blocks. Connections are few, short and bounded in bytes: whoever leaves his
/// request undone costs others 200 ms where there are as many as may be, and no turn.
final class RequestServer: EventSource {
    private let socket: ListeningSocket
    private let service: any RequestService
    private var connections: [Connection] = []
    /// There are as many as may be, and each has its time left to say what it wants: until
    /// then newcomers wait in the socket's queue.
    private var fullUntil: UInt64?
    /// The time that a client on a busy machine needs from its connection to its request, in nanoseconds.
    private static let requestTimeout: UInt64 = 200_000_000

    init(_ socket: ListeningSocket, service: any RequestService) {
        self.socket = socket
        self.service = service
    }

    var waits: [pollfd] {
        [pollfd(fd: fullUntil == nil ? socket.descriptor.number : -1, events: Int16(POLLIN), revents: 0)]
            + connections.map { pollfd(fd: $0.number, events: $0.events, revents: 0) }
    }

    /// The earliest deadline of a connection.
    var nextDeadline: UInt64? { (connections.map(\.deadline) + (fullUntil.map { [$0] } ?? [])).min() }

    func serve(_ results: ArraySlice<pollfd>, now: UInt64) {
        for (connection, result) in zip(connections, results.dropFirst()) where result.revents != 0 {
            connection.proceed(with: service)
        }
        connections.removeAll { $0.isDone || $0.deadline <= now }
        if results.first?.revents != 0 || fullUntil != nil { acceptWaiting() }
    }

    /// No more than may be there at a time: other sources wait for their turn.
    private func acceptWaiting() {
        var left = service.connectionLimit
        while left > 0, hasRoom() {
            left -= 1
            let result = rpa_accept(socket.descriptor.number)
            if result == -EMFILE, !connections.isEmpty {
                connections.removeFirst()
                continue
            }
            guard result >= 0 else { return }
            if connections.count >= service.connectionLimit { connections.remove(at: longest) }
            let connection = Connection(
                Descriptor(owning: result), deadline: rpa_monotonic_ns() + service.timeLimitNanoseconds)
            // What it wants has mostly come with it: it need not wait for the next turn.
            connection.proceed(with: service)
            if !connection.isDone { connections.append(connection) }
        }
    }

    /// For one more, or somebody has dawdled so long that he goes if one comes.
    private func hasRoom() -> Bool {
        fullUntil = nil
        guard connections.count >= service.connectionLimit else { return true }
        for connection in connections { connection.proceed(with: service) }
        connections.removeAll { $0.isDone }
        guard connections.count >= service.connectionLimit else { return true }
        let end = connections[longest].deadline - service.timeLimitNanoseconds + Self.requestTimeout
        if end > rpa_monotonic_ns() { fullUntil = end }
        return fullUntil == nil
    }

    /// Who has dawdled longest, of at least one.
    private var longest: Int { connections.indices.min { connections[$0].deadline < connections[$1].deadline }! }
}
