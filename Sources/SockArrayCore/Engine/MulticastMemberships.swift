import CBPFShim
import PoolModel

/// The multicast groups that collectors' sockets had joined when they were last registered. The kernel shows them
/// only to a process that has the socket's descriptor.
final class MulticastMemberships {
    /// Sorted, by SO_COOKIE. Only sockets that joined a group.
    private var joined: [UInt64: [IPAddress]] = [:]

    /// Asks the kernel about sockets while their descriptors are open.
    func look(at offered: [OfferedSocket]) {
        let groups = JoinedMulticast.onThisHost
        for socket in offered {
            let addresses = groups.filter { $0.canReach(socket.offer.socket) && $0.isJoined(by: socket) }.map(\.address)
            joined[socket.offer.socket.cookie] = addresses.isEmpty ? nil : Set(addresses).sorted { $0.words < $1.words }
        }
    }

    /// - Parameter cookie: SO_COOKIE.
    func addresses(of cookie: UInt64) -> [IPAddress] { joined[cookie] ?? [] }

    /// Forgets sockets that are no longer registered.
    func forget(except cookies: Set<UInt64>) { joined = joined.filter { cookies.contains($0.key) } }
}

extension JoinedMulticast {
    /// What the interfaces of this thread's network namespace have joined.
    fileprivate static var onThisHost: [JoinedMulticast] {
        func read(_ name: String) -> String { SmallFile.read("/proc/thread-self/net/\(name)", limit: 4 << 20) ?? "" }
        return all(inIGMP: read("igmp")) + all(inIGMP6: read("igmp6"))
    }

    /// Whether the socket itself joined the group: the interface may have it from any other socket of the host.
    fileprivate func isJoined(by socket: OfferedSocket) -> Bool {
        rpa_socket_has_joined(socket.number, address.endpoint(port: 0), interface) == 1
    }
}
