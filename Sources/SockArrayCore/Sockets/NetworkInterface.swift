import CBPFShim
import Glibc
import PoolModel

/// Interfaces of this thread's network namespace.
public enum NetworkInterface {
    /// - Parameter index: 0: none.
    /// - Returns: nil: none. An interface that was removed has no name any more: `#7`.
    static func name(of index: Int32) -> String? {
        guard index != 0 else { return nil }
        var name = [CChar](repeating: 0, count: Int(IF_NAMESIZE))
        guard if_indextoname(UInt32(index), &name) != nil else { return "#\(index)" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    public static func exists(_ name: String) -> Bool { if_nametoindex(name) != 0 }

    /// Addresses of this host to which it delivers itself what a socket sends that is bound to the interface: those
    /// of the interface, or of the interfaces in a VRF.
    static func addresses(of name: String) -> [IPAddress] {
        let index = if_nametoindex(name)
        guard index != 0 else { return [] }
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return [] }
        defer { freeifaddrs(list) }
        var addresses: [IPAddress] = []
        var next = list
        while let entry = next?.pointee {
            next = entry.ifa_next
            guard let raw = entry.ifa_addr, let address = address(raw), !addresses.contains(address),
                // A link-local address is one of its interface alone.
                !address.isIPv6LinkLocal || String(cString: entry.ifa_name) == name,
                rpa_is_local(address.endpoint(port: 0), index) == 1
            else { continue }
            addresses.append(address)
        }
        return addresses
    }

    private static func address(_ raw: UnsafeMutablePointer<sockaddr>) -> IPAddress? {
        switch Int32(raw.pointee.sa_family) {
        case AF_INET:
            raw.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                .v4(UInt32(bigEndian: $0.pointee.sin_addr.s_addr))
            }
        case AF_INET6:
            raw.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { name in
                withUnsafeBytes(of: name.pointee.sin6_addr) { bytes in
                    .v6(
                        UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                        UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
                }
            }
        default: nil
        }
    }

    /// Whether sockets that are bound to no interface receive nothing of what comes by this one: it is a VRF or in
    /// a VRF, and the kernel isn't asked to do otherwise (udp_l3mdev_accept, tcp_l3mdev_accept).
    package static func isApart(_ name: String, _ transport: ReuseportGroup.TransportProtocol) -> Bool {
        let index = if_nametoindex(name)
        guard index != 0, rpa_is_in_vrf(index) == 1 else { return false }
        return SmallFile.read("/proc/sys/net/ipv4/\(transport.rawValue)_l3mdev_accept")?.first != "1"
    }
}
