import CBPFShim
import Glibc
import SockArrayCore

/// A socket on which each connection carries one request and its answer.
///
/// It never blocks, and nothing that a client does or leaves undone costs
/// another client its turn: connections are few, short and bounded in bytes.
final class RequestServer: EventSource {
    private let socket: ListeningSocket
    private let service: any RequestService
    private var connections: [Connection] = []

    init(_ socket: ListeningSocket, service: any RequestService) {
        self.socket = socket
        self.service = service
    }

    var waits: [pollfd] {
        [pollfd(fd: socket.descriptor.number, events: Int16(POLLIN), revents: 0)]
            + connections.map { pollfd(fd: $0.number, events: $0.events, revents: 0) }
    }

    /// The earliest deadline of a connection.
    var nextDeadline: UInt64? { connections.map(\.deadline).min() }

    func serve(_ results: ArraySlice<pollfd>, now: UInt64) {
        for (connection, result) in zip(connections, results.dropFirst()) where result.revents != 0 {
            connection.proceed(with: service)
        }
        if results.first?.revents != 0 { acceptWaiting(now: now) }
        connections.removeAll { $0.isDone || $0.deadline <= now }
    }

    private func acceptWaiting(now: UInt64) {
        while true {
            let result = rpa_accept(socket.descriptor.number)
            if result == -EMFILE, !connections.isEmpty {
                connections.removeFirst()
                continue
            }
            guard result >= 0 else { return }
            // The newcomer is served: whoever has dawdled longest goes.
            if connections.count >= service.connectionLimit { connections.removeFirst() }
            let connection = Connection(Descriptor(owning: result), deadline: now + service.timeLimitNanoseconds)
            connections.append(connection)
            // What it wants has mostly come with it: it need not wait for the next turn.
            connection.proceed(with: service)
        }
    }
}
