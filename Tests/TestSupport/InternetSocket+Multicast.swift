import Glibc
import PoolModel
import TelemetryLab

extension InternetSocket {
    /// Joins a multicast group, as nfacctd does (IP_ADD_MEMBERSHIP, IPV6_JOIN_GROUP).
    ///
    /// - Parameter interface: its index; 0: the kernel looks for it in its routes.
    public func join(_ group: IPAddress, interface: UInt32) throws {
        func bytes(_ word: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: word) { Array($0) } }
        let (level, name): (Int32, Int32)
        let request: [UInt8]
        switch group {
        case .v4(let word):
            // ip_mreqn
            (level, name) = (Int32(IPPROTO_IP), Int32(IP_ADD_MEMBERSHIP))
            request = bytes(word.bigEndian) + [0, 0, 0, 0] + bytes(interface)
        case .v6(let high, let low):
            // ipv6_mreq
            (level, name) = (Int32(IPPROTO_IPV6), Int32(IPV6_JOIN_GROUP))
            request = bytes(high.bigEndian) + bytes(low.bigEndian) + bytes(interface)
        }
        guard setsockopt(number, level, name, request, socklen_t(request.count)) == 0 else {
            throw LabError("join \(group): errno \(errno)")
        }
    }
}
