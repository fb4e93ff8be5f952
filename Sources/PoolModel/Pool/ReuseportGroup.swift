/// One reuseport group of the kernel: all sockets of one protocol that are
/// bound to one address, port and interface with SO_REUSEPORT (socket(7)).
public struct ReuseportGroup: Hashable, Sendable {
    public enum TransportProtocol: String, Sendable, CaseIterable {
        case udp, tcp
    }

    /// Names the group in status, errors and pins: letters, digits, `_` and `-`, at most 63.
    public var name: String
    public var transport: TransportProtocol
    /// The bind address. `::` is a dual-stack wildcard unless `ipv6Only` is set.
    public var address: IPAddress
    public var port: UInt16
    /// IPV6_V6ONLY of the members; of no meaning for an IPv4 address.
    public var ipv6Only: Bool
    /// Name of the interface that the members are bound to (SO_BINDTODEVICE, a VRF, a link-local address); nil: to none.
    public var interface: String?

    public init(
        name: String, transport: TransportProtocol, address: IPAddress, port: UInt16,
        ipv6Only: Bool = false, interface: String? = nil
    ) {
        self.name = name
        self.transport = transport
        self.address = address
        self.port = port
        self.ipv6Only = ipv6Only
        self.interface = interface
    }

    /// The kernel's same group, under whatever name.
    public func isSameGroup(as other: ReuseportGroup) -> Bool {
        transport == other.transport && address == other.address && port == other.port && ipv6Only == other.ipv6Only
            && interface == other.interface
    }

    /// The group of the same address and port for another interface.
    package func on(interface: String?) -> ReuseportGroup {
        var group = self
        group.interface = interface
        return group
    }

    /// `udp 0.0.0.0:4739`, `tcp [::]:1790`, `udp 0.0.0.0%eth0:4739`.
    public var endpoint: String { "\(transport.rawValue) \(address.withPort(port, interface: interface))" }
}
