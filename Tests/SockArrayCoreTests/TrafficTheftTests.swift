import PoolModel
import Testing

/// Which socket gets traffic by the rules; KernelTests compare the rules with the kernel.
@Suite struct TrafficTheftTests {
    private static let loopback = IPAddress.v4(0x7f00_0001)

    private static func socket(
        _ address: String, of transport: ReuseportGroup.TransportProtocol = .udp, ipv6Only: Bool = false,
        interface: String? = nil, hasPeer: Bool = false, port: UInt16 = 4_739
    ) -> BoundSocket {
        BoundSocket(
            transport: transport, address: IPAddress(address)!, port: port, ipv6Only: ipv6Only, interface: interface,
            hasPeer: hasPeer, cookie: 1)
    }

    private static func group(_ address: String, ipv6Only: Bool = false) -> ReuseportGroup {
        ReuseportGroup(name: "ipfix", transport: .udp, address: IPAddress(address)!, port: 4_739, ipv6Only: ipv6Only)
    }

    @Test func `members, other ports and other protocols take nothing`() {
        let group = Self.group("0.0.0.0")
        #expect(group.theft(by: Self.socket("0.0.0.0")) == nil)
        #expect(group.theft(by: Self.socket("127.0.0.1", port: 4_740)) == nil)
        #expect(group.theft(by: Self.socket("127.0.0.1", of: .tcp)) == nil)
    }

    @Test func `a wildcard loses an address of its family, and dual-stack [::] one of both families`() {
        let any4 = Self.group("0.0.0.0"), both = Self.group("::"), only6 = Self.group("::", ipv6Only: true)
        #expect(any4.theft(by: Self.socket("127.0.0.1")) == .address(Self.loopback))
        #expect(any4.theft(by: Self.socket("::ffff:127.0.0.1")) == .address(Self.loopback))
        #expect(any4.theft(by: Self.socket("::1")) == nil)
        #expect(both.theft(by: Self.socket("127.0.0.1")) == .address(Self.loopback))
        #expect(both.theft(by: Self.socket("::1")) == .address(.v6(0, 1)))
        #expect(only6.theft(by: Self.socket("127.0.0.1")) == nil)
        #expect(only6.theft(by: Self.socket("::1")) == .address(.v6(0, 1)))
    }

    @Test func `0.0.0.0 takes IPv4 from a dual-stack [::], and [::] takes nothing from 0.0.0.0`() {
        #expect(Self.group("::").theft(by: Self.socket("0.0.0.0")) == .allIPv4)
        #expect(Self.group("::", ipv6Only: true).theft(by: Self.socket("0.0.0.0")) == nil)
        #expect(Self.group("0.0.0.0").theft(by: Self.socket("::")) == nil)
        #expect(Self.group("::").theft(by: Self.socket("::", ipv6Only: true)) == .perhapsAllIPv6)
        #expect(Self.group("::", ipv6Only: true).theft(by: Self.socket("::")) == .perhapsAllIPv6)
    }

    @Test func `a socket on an interface may take a group's traffic; a bind to an address wins over an interface`() {
        #expect(Self.group("0.0.0.0").theft(by: Self.socket("0.0.0.0", interface: "eth3")) == .interface("eth3"))
        #expect(Self.group("0.0.0.0").theft(by: Self.socket("::", interface: "eth3")) == nil)
        #expect(Self.group("::").theft(by: Self.socket("0.0.0.0", interface: "eth3")) == .interface("eth3"))
        #expect(Self.group("::").theft(by: Self.socket("::", interface: "eth3")) == .interface("eth3"))
        #expect(Self.group("127.0.0.1").theft(by: Self.socket("127.0.0.1", interface: "eth3")) == .interface("eth3"))
        #expect(Self.group("127.0.0.1").theft(by: Self.socket("0.0.0.0", interface: "eth3")) == nil)
        #expect(Self.group("127.0.0.1").theft(by: Self.socket("127.0.0.2")) == nil)
    }

    @Test func `of a group's interface an address takes its traffic, and no interface does by the order of binding`() {
        var red = Self.group("0.0.0.0")
        red.interface = "red"
        #expect(red.theft(by: Self.socket("0.0.0.0", interface: "red")) == nil)
        #expect(red.theft(by: Self.socket("0.0.0.0", interface: "blue")) == nil)
        #expect(red.theft(by: Self.socket("0.0.0.0")) == .interface("red"))
        #expect(red.theft(by: Self.socket("192.0.2.1")) == .address(.v4(0xc000_0201)))
        #expect(red.theft(by: Self.socket("192.0.2.1", interface: "red")) == .address(.v4(0xc000_0201)))
        #expect(red.theft(by: Self.socket("192.0.2.1", interface: "blue")) == nil)
        #expect(red.probeTargets(among: []) == [])
        let own = [IPAddress.v6(0xfe80 << 48, 1), .v4(0xc000_0201), .v4(0xc000_0202)]
        #expect(red.probeTargets(among: [], own: own) == [.v4(0xc000_0201), .v4(0xc000_0202)])
        #expect(red.probeTargets(among: [Self.socket("192.0.2.1")], own: own) == [.v4(0xc000_0202)])
    }

    @Test func `a socket with a peer takes that peer's traffic`() {
        #expect(Self.group("0.0.0.0").theft(by: Self.socket("10.0.0.1", hasPeer: true)) == .peer)
        #expect(Self.group("10.0.0.1").theft(by: Self.socket("10.0.0.1", hasPeer: true)) == .peer)
        #expect(Self.group("10.0.0.1").theft(by: Self.socket("10.0.0.2", hasPeer: true)) == nil)
    }

    @Test func `a probe uses an address that no other socket is bound to`() {
        let any4 = Self.group("0.0.0.0"), both = Self.group("::")
        #expect(any4.probeTargets(among: []) == [Self.loopback])
        #expect(any4.probeTargets(among: [Self.socket("127.0.0.1")]) == [.v4(0x7f00_0002)])
        #expect(any4.probeTargets(among: [Self.socket("0.0.0.0", interface: "lo")]).isEmpty)
        #expect(any4.probeTargets(among: [Self.socket("0.0.0.0", interface: "eth2")]) == [Self.loopback])
        #expect(both.probeTargets(among: []) == [.v6(0, 1), Self.loopback])
        #expect(both.probeTargets(among: [Self.socket("::1")]) == [Self.loopback])
        #expect(both.probeTargets(among: [Self.socket("0.0.0.0")]) == [.v6(0, 1)])
        #expect(Self.group("::", ipv6Only: true).probeTargets(among: []) == [.v6(0, 1)])
        #expect(Self.group("192.0.2.1").probeTargets(among: []) == [.v4(0xc000_0201)])
        for address in ["239.1.2.3", "ff02::1", "fe80::1"] {
            #expect(Self.group(address).probeTargets(among: []).isEmpty)
        }
    }
}
