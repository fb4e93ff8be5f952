import Glibc
import PoolModel
import TelemetryLab

extension ReuseportGroup {
    /// A socket of a collector, bound to the group's interface, if it has one.
    func newMember() throws -> InternetSocket {
        let family = if case .v4 = address { AF_INET } else { AF_INET6 }
        let socket = try InternetSocket(transport == .udp ? .udp : .tcp, reuseport: true, family: family)
        if let interface {
            let result = interface.withCString {
                setsockopt(socket.number, SOL_SOCKET, SO_BINDTODEVICE, $0, socklen_t(interface.utf8.count))
            }
            guard result == 0 else { throw LabError("SO_BINDTODEVICE \(interface): errno \(errno)") }
        }
        try socket.bind(address, port)
        if transport == .tcp { try socket.listen() }
        return socket
    }
}
