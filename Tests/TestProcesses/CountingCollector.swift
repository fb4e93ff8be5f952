import CBPFShim
import Glibc
import TelemetryLab

/// A collector whose ledger has all that it received: it reads every datagram,
/// accepts every session and keeps it open until the router ends it. At SIGHUP, it closes
/// its two sockets and binds them anew.
final class CountingCollector {
    private let ledger: Ledger
    private var udp: InternetSocket
    private var tcp: InternetSocket
    private var entryCount = 0
    /// For poll(2), the two sockets' first; below, what each one's session is.
    private var waits: [pollfd]
    private var sessions: [Session?] = [nil, nil]

    private struct Session {
        let connection: InternetSocket
        /// Nil until its first bytes have come.
        var opening: LedgerEntry?
    }

    /// Binds udp 0.0.0.0:4739 and tcp 0.0.0.0:1790.
    init(_ ledger: Ledger) throws {
        self.ledger = ledger
        signal(SIGHUP) { _ in isRebindDue = 1 }
        (udp, tcp) = try Self.sockets()
        waits = [udp, tcp].map { pollfd(fd: $0.number, events: Int16(POLLIN), revents: 0) }
        ledger[.pid] = UInt64(getpid())
        ledger[.start] = rpa_monotonic_ns()
    }

    private static func sockets() throws -> (udp: InternetSocket, tcp: InternetSocket) {
        let udp = try InternetSocket.collector(.udp, .v4(0), port: 4_739)
        // SO_RCVBUFFORCE, that Glibc's headers leave to the kernel's. Refused to another user than root.
        try? udp.set(SOL_SOCKET, 33, 32 << 20)
        let tcp = try InternetSocket(.tcp, bind: .v4(0), port: 1_790, reuseport: true)
        try tcp.listen(backlog: 1_024)
        return (udp, tcp)
    }

    private func rebind() throws {
        try receiveDatagrams()
        acceptSessions()
        ledger[.closed] = rpa_monotonic_ns()
        // Closed before the others are bound.
        (udp, tcp) = (try InternetSocket(.udp), try InternetSocket(.tcp))
        (udp, tcp) = try Self.sockets()
        (waits[0].fd, waits[1].fd) = (udp.number, tcp.number)
        ledger[.start] = rpa_monotonic_ns()
    }

    /// Runs until it is killed.
    func serve() throws -> Never {
        while true {
            poll(&waits, UInt(waits.count), -1)
            if isRebindDue != 0 {
                isRebindDue = 0
                try rebind()
                continue
            }
            try receiveDatagrams()
            for index in waits.indices.dropFirst(2).reversed() where waits[index].revents != 0 { try read(index) }
            if waits[1].revents != 0 { acceptSessions() }
        }
    }

    private func receiveDatagrams() throws {
        while true {
            let entry = try ledger.place(of: entryCount)
            guard recv(udp.number, entry, LedgerEntry.sizeOnWire, Int32(MSG_DONTWAIT)) == LedgerEntry.sizeOnWire
            else { return }
            entry.pointee.noted = rpa_monotonic_ns()
            entryCount += 1
            ledger[countOf: Int(entry.pointee.exporter)] += 1
            ledger[.total] += 1
        }
    }

    private func acceptSessions() {
        for (_, connection) in tcp.acceptSessions() {
            waits.append(pollfd(fd: connection.number, events: Int16(POLLIN), revents: 0))
            sessions.append(Session(connection: connection))
        }
    }

    private func read(_ index: Int) throws {
        let number = waits[index].fd
        if sessions[index]?.opening == nil {
            let entry = try ledger.place(of: entryCount)
            let length = recv(number, entry, LedgerEntry.sizeOnWire, Int32(MSG_DONTWAIT))
            if length == LedgerEntry.sizeOnWire {
                entry.pointee.noted = rpa_monotonic_ns()
                entryCount += 1
                sessions[index]?.opening = entry.pointee
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
        guard var entry = sessions[index]?.opening else { return }
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

/// Set by the handler of SIGHUP.
nonisolated(unsafe) private var isRebindDue: sig_atomic_t = 0
