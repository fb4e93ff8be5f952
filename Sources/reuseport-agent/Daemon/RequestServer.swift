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
    /// The oldest first.
    private var connections: [Connection] = []
    /// There are as many as may be, and each has its time left to say what it wants: until
    /// then newcomers wait in the socket's queue.
    private var fullUntil: UInt64?
    /// What a client needs from its connection to its request, on a machine that is busy.
    private static let patience: UInt64 = 200_000_000

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

    private func acceptWaiting() {
        while makeRoom() {
            let result = rpa_accept(socket.descriptor.number)
            if result == -EMFILE, !connections.isEmpty {
                connections.removeFirst()
                continue
            }
            guard result >= 0 else { return }
            let connection = Connection(
                Descriptor(owning: result), now: rpa_monotonic_ns(), limit: service.timeLimitNanoseconds)
            // What it wants has mostly come with it: it need not wait for the next turn.
            connection.proceed(with: service)
            if !connection.isDone { connections.append(connection) }
        }
    }

    /// Whoever has dawdled longest goes for a newcomer, but not before its time.
    private func makeRoom() -> Bool {
        fullUntil = nil
        guard connections.count >= service.connectionLimit else { return true }
        for connection in connections { connection.proceed(with: service) }
        connections.removeAll { $0.isDone }
        guard connections.count >= service.connectionLimit else { return true }
        let end = connections[0].accepted + Self.patience
        guard end <= rpa_monotonic_ns() else {
            fullUntil = end
            return false
        }
        connections.removeFirst()
        return true
    }
}
