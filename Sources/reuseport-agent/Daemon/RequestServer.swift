import CBPFShim
import Glibc
import SockArrayCore

/// A Unix socket on which each connection carries one request and its answer.
///
/// It never blocks, and nothing that a client does or leaves undone costs
/// another client its turn: connections are few, short and bounded in bytes.
final class RequestServer {
    let path: String
    private let listener: Descriptor
    private let service: any RequestService
    private var connections: [Connection] = []

    /// - Throws: `.conflict` if another process listens at the path.
    init(_ file: PoolConfiguration.SocketFile, service: any RequestService, act: String) throws(Failure) {
        path = file.path
        self.service = service
        listener = try Self.listen(file, act: act)
    }

    deinit { rpa_remove_file(path) }

    /// What to wait for; `serve` takes the results in the same order.
    var waits: [pollfd] {
        [pollfd(fd: listener.number, events: Int16(POLLIN), revents: 0)]
            + connections.map { pollfd(fd: $0.number, events: $0.events, revents: 0) }
    }

    /// The earliest deadline of a connection, CLOCK_MONOTONIC in nanoseconds.
    var nextDeadline: UInt64? { connections.map(\.deadline).min() }

    func serve(_ results: ArraySlice<pollfd>, now: UInt64) {
        for (connection, result) in zip(connections, results.dropFirst()) where result.revents != 0 {
            connection.proceed(with: service)
        }
        connections.removeAll { $0.isDone || $0.deadline <= now }
        if results.first?.revents != 0 { acceptWaiting(now: now) }
    }

    private func acceptWaiting(now: UInt64) {
        while true {
            let result = rpa_accept(listener.number)
            if result == -EMFILE, !connections.isEmpty {
                connections.removeFirst()
                continue
            }
            guard result >= 0 else { return }
            // The newcomer is served: whoever has dawdled longest goes.
            if connections.count >= service.connectionLimit { connections.removeFirst() }
            connections.append(
                Connection(Descriptor(owning: result), deadline: now + service.timeLimitNanoseconds))
        }
    }

    private static func listen(
        _ file: PoolConfiguration.SocketFile, act: String
    ) throws(Failure) -> Descriptor {
        try makeFolder(of: file.path, act: act)
        var result = rpa_unix_listen(file.path, file.mode)
        if result == -EADDRINUSE {
            // Left behind by an agent that was killed, unless somebody answers.
            let probe = rpa_unix_connect(file.path, 1_000)
            guard probe == -ECONNREFUSED else {
                if probe >= 0 { close(probe) }
                throw Failure(
                    .conflict, act: act, cause: "\(file.path) is in use by another process", errno: EADDRINUSE,
                    remedy: "stop that process, or give this pool socket paths of its own")
            }
            rpa_remove_file(file.path)
            result = rpa_unix_listen(file.path, file.mode)
        }
        guard result >= 0 else {
            throw Failure(
                .privilege, act: act, cause: "the socket \(file.path) could not be made", errno: -result,
                remedy: "make its folder, writable for the agent, or choose another path")
        }
        return Descriptor(owning: result)
    }

    private static func makeFolder(of path: String, act: String) throws(Failure) {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return }
        let folder = String(path[..<slash])
        let result = rpa_make_folder(folder, 0o755)
        if result < 0, result != -EEXIST {
            throw Failure(
                .privilege, act: act, cause: "the folder \(folder) could not be made", errno: -result,
                remedy: "make it, or choose another path for the socket")
        }
    }
}
