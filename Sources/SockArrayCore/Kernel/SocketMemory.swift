import CBPFShim
import Glibc

/// Queues and drops of a group's sockets, from sock_diag(7).
enum SocketMemory {
    struct Entry {
        /// UDP: bytes not yet read. TCP: connections not yet accepted.
        let queued: UInt64
        /// Since the socket was made.
        let drops: UInt64
    }

    /// By SO_COOKIE. Sockets that came meanwhile may be missing.
    static func entries(of group: ReuseportGroup) throws(KernelError) -> [UInt64: Entry] {
        let family: Int32 =
            switch group.address {
            case .v4: AF_INET
            case .v6: AF_INET6
            }
        let number = Int32(group.transport == .udp ? IPPROTO_UDP : IPPROTO_TCP)
        var sockets = [rpa_diag_socket](repeating: rpa_diag_socket(), count: 1_024)
        let found = try kernel(
            "sock_diag", rpa_diag_sockets(family, number, group.port, &sockets, sockets.count))
        var entries: [UInt64: Entry] = [:]
        for socket in sockets.prefix(Int(found)) {
            entries[socket.cookie] = Entry(queued: UInt64(socket.queued), drops: UInt64(socket.drops))
        }
        return entries
    }
}
