import CBPFShim
import Glibc
import PoolModel

/// The sockets of this network namespace on one local port, of both families, as
/// sock_diag(7) lists them. Requires no privilege.
public enum SocketDump {
    /// UDP sockets of any state, or TCP listeners. Those of one family and address are in the order in which the
    /// kernel looks for the receiver of a packet: the first one's reuseport group receives it.
    ///
    /// Up to some 180 sockets of a family, the list shows one moment. In a longer list, a socket
    /// can be missing if others come or go during the reading.
    public static func members(
        of transport: ReuseportGroup.TransportProtocol, port: UInt16
    ) throws(KernelError) -> [BoundSocket] {
        let states: UInt32 = transport == .udp ? ~0 : 1 << RPA_TCP_LISTEN.rawValue
        return try sockets(of: transport, port: port, states: states).map { raw in
            BoundSocket(
                transport: transport, address: IPAddress(family: raw.family, bytes: raw.address), port: raw.port,
                ipv6Only: raw.ipv6_only != 0, interface: NetworkInterface.name(of: Int32(bitPattern: raw.interface)),
                hasPeer: raw.peer_port != 0, cookie: raw.cookie, inode: raw.inode, user: raw.uid,
                queued: UInt64(raw.queued), drops: UInt64(raw.drops))
        }
    }

    /// Lists each socket once, as it was seen last, even if it moved during the kernel's walk.
    static func sockets(
        of transport: ReuseportGroup.TransportProtocol, port: UInt16, states: UInt32, withTimes: Bool = false
    ) throws(KernelError) -> [rpa_diag_socket] {
        var found: [rpa_diag_socket] = []
        var places: [UInt64: Int] = [:]
        for family in [AF_INET, AF_INET6] {
            for socket in try sockets(family, transport, port, states, withTimes) {
                if let place = places[socket.cookie] {
                    found[place] = socket
                } else {
                    places[socket.cookie] = found.count
                    found.append(socket)
                }
            }
        }
        return found
    }

    private static func sockets(
        _ family: Int32, _ transport: ReuseportGroup.TransportProtocol, _ port: UInt16, _ states: UInt32,
        _ withTimes: Bool
    ) throws(KernelError) -> [rpa_diag_socket] {
        let number = Int32(transport == .udp ? IPPROTO_UDP : IPPROTO_TCP)
        var sockets: UnsafeMutablePointer<rpa_diag_socket>?
        defer { free(sockets) }
        var result: Int32 = 0
        for _ in 0..<attempts {
            result = rpa_diag_sockets(
                family, number, states, port, Int32(withTimes ? RPA_DIAG_TIMES : RPA_DIAG_MEMORY), &sockets)
            if result != -KernelError.interrupted { break }
        }
        let count = try kernel("sock_diag of \(transport.rawValue) port \(port)", result)
        return Array(UnsafeBufferPointer(start: sockets, count: Int(count)))
    }

    /// Maximum number of attempts while the kernel reports an inconsistent answer.
    private static let attempts = 8
}
