import CBPFShim
import Glibc
import TelemetryLab

/// A collector whose ledger has all that it received: it reads every datagram,
/// accepts every session and keeps it open until the router ends it. At SIGHUP, it closes
/// its sockets and binds them anew. At SIGUSR1, it has as many sockets as the test wants: of its
/// UDP sockets, it reads and closes the first ones.
final class CountingCollector {
    private let ledger: Ledger
    private var udp: [InternetSocket] = []
    private var tcp: [InternetSocket] = []
    private var entryCount = 0
    /// For poll(2), the sessions', below; before them those of the sockets.
    private var waits: [pollfd] = []
    private var sessions: [Session] = []

    private struct Session {
        let connection: InternetSocket
        /// Nil until its first bytes have come.
        var opening: LedgerEntry?
    }

    /// Binds udp 0.0.0.0:4739 and tcp 0.0.0.0:1790.
    init(_ ledger: Ledger) throws {
        self.ledger = ledger
        signal(SIGHUP) { _ in isRebindDue = 1 }
        signal(SIGUSR1) { _ in isResizeDue = 1 }
        try resize()
        ledger[.pid] = UInt64(getpid())
        ledger[.start] = rpa_monotonic_ns()
    }

    private func resize() throws {
        let count = max(1, Int(ledger[.workers]))
        while udp.count > count { try close(udp.removeFirst()) }
        while udp.count < count {
            let socket = try InternetSocket.collector(.udp, .v4(0), port: 4_739)
            // SO_RCVBUFFORCE, that Glibc's headers leave to the kernel's. Refused to another user than root.
            try? socket.set(SOL_SOCKET, 33, 32 << 20)
            // SO_INCOMING_CPU, in reverse: `workers: cpu` arranges them anew.
            try socket.set(SOL_SOCKET, 49, Int32(max(3 - udp.count, 0)))
            udp.append(socket)
        }
        while tcp.count > max(1, count / 2) {
            acceptSessions(of: tcp[0])
            tcp.removeFirst()
        }
        while tcp.count < max(1, count / 2) {
            let socket = try InternetSocket(.tcp, bind: .v4(0), port: 1_790, reuseport: true)
            try socket.listen(backlog: 1_024)
            tcp.append(socket)
        }
    }

    /// Reads what came to the socket and counts what still comes until it is closed: a filter takes nothing
    /// any more, and the kernel counts that as drops.
    private func close(_ socket: InternetSocket) throws {
        let before = try socket.drops()
        try socket.takeNothing()
        try receiveDatagrams(of: socket)
        ledger[.unread] += UInt64(try socket.drops() &- before)
    }

    private func rebind() throws {
        for socket in udp { try receiveDatagrams(of: socket) }
        tcp.forEach(acceptSessions)
        ledger[.closed] = rpa_monotonic_ns()
        // Closed before the others are bound.
        (udp, tcp) = ([], [])
        try resize()
        ledger[.start] = rpa_monotonic_ns()
    }

    /// Runs until it is killed.
    func serve() throws -> Never {
        while true {
            var polled = (udp + tcp).map { pollfd(fd: $0.number, events: Int16(POLLIN), revents: 0) } + waits
            poll(&polled, UInt(polled.count), -1)
            if isResizeDue != 0 {
                isResizeDue = 0
                try resize()
                continue
            }
            if isRebindDue != 0 {
                isRebindDue = 0
                try rebind()
                continue
            }
            for (socket, wait) in zip(udp, polled) where wait.revents != 0 { try receiveDatagrams(of: socket) }
            let first = polled.count - waits.count
            for index in waits.indices.reversed() where polled[first + index].revents != 0 { try read(index) }
            for (socket, wait) in zip(tcp, polled.dropFirst(udp.count)) where wait.revents != 0 {
                acceptSessions(of: socket)
            }
        }
    }

    private func receiveDatagrams(of socket: InternetSocket) throws {
        while true {
            let entry = try ledger.place(of: entryCount)
            guard recv(socket.number, entry, LedgerEntry.sizeOnWire, Int32(MSG_DONTWAIT)) == LedgerEntry.sizeOnWire
            else { return }
            entry.pointee.noted = rpa_monotonic_ns()
            entryCount += 1
            ledger[countOf: Int(entry.pointee.exporter)] += 1
            ledger[.total] += 1
        }
    }

    private func acceptSessions(of socket: InternetSocket) {
        for (_, connection) in socket.acceptSessions() {
            waits.append(pollfd(fd: connection.number, events: Int16(POLLIN), revents: 0))
            sessions.append(Session(connection: connection))
        }
    }

    private func read(_ index: Int) throws {
        let number = waits[index].fd
        if sessions[index].opening == nil {
            let entry = try ledger.place(of: entryCount)
            let length = recv(number, entry, LedgerEntry.sizeOnWire, Int32(MSG_DONTWAIT))
            if length == LedgerEntry.sizeOnWire {
                entry.pointee.noted = rpa_monotonic_ns()
                entryCount += 1
                sessions[index].opening = entry.pointee
                ledger[.sessions] += 1
            } else if length >= 0 || errno != EAGAIN {
                forget(index)
            }
        } else {
            var byte: UInt8 = 0
            let length = recv(number, &byte, 1, Int32(MSG_DONTWAIT))
            if length == 0 || length < 0 && errno != EAGAIN { try noteEnd(index) }
        }
    }

    private func noteEnd(_ index: Int) throws {
        guard var entry = sessions[index].opening else { return }
        entry.kind = LedgerEntry.Kind.ended.rawValue
        entry.noted = rpa_monotonic_ns()
        try ledger.place(of: entryCount).pointee = entry
        entryCount += 1
        ledger[.sessions] -= 1
        forget(index)
    }

    private func forget(_ index: Int) {
        waits.remove(at: index)
        sessions.remove(at: index)
    }
}

/// Set by the handlers of SIGHUP and SIGUSR1.
nonisolated(unsafe) private var isRebindDue: sig_atomic_t = 0
nonisolated(unsafe) private var isResizeDue: sig_atomic_t = 0
