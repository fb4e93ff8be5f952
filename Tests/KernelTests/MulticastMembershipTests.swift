import CBPFShim
import Glibc
import PoolModel
import SockArrayCore
import TelemetryLab
import Testing
import TestSupport

/// What the kernel says of sockets that joined a multicast group, and what it does with them.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF"))
struct MulticastMembershipTests {
    private static func hasJoined(_ socket: InternetSocket, _ group: IPAddress, interface: Int32) -> Int32 {
        rpa_socket_has_joined(socket.number, group.endpoint(port: 0), interface)
    }

    private static func memberships(_ address: IPAddress, _ group: IPAddress, interface: UInt32) throws {
        let socket = try InternetSocket.collector(.udp, address, port: PoolFixture.ipfixPort)
        let other = try InternetSocket.collector(.udp, address, port: PoolFixture.ipfixPort)
        #expect(hasJoined(socket, group, interface: 1) == 0)
        try socket.join(group, interface: interface)
        #expect(hasJoined(socket, group, interface: 1) == 1)
        #expect(hasJoined(socket, group, interface: 2) == 0)
        #expect(hasJoined(other, group, interface: 1) == 0)
        #expect(hasJoined(socket, IPAddress("239.1.1.2")!, interface: 1) == 0)
        let ipv6 = hasJoined(socket, IPAddress("ff15::7")!, interface: 1)
        #expect(ipv6 == (address == .v4(0) ? -EOPNOTSUPP : 0))
    }

    /// Interface 0: the kernel finds the one that its routes lead to, here the loopback interface.
    @Test(arguments: [
        ("0.0.0.0", "239.1.1.1", 0), ("0.0.0.0", "239.1.1.1", 1), ("::", "239.1.1.1", 0), ("::", "239.1.1.1", 1),
        ("::", "ff15::6", 1),
    ])
    func `the kernel shows the group only of the socket that joined it, on the interface on which it did`(
        address: String, group: String, interface: UInt32
    ) async throws {
        try await Sandbox.run { _ in
            try Self.memberships(IPAddress(address)!, IPAddress(group)!, interface: interface)
        }
    }

    private static func copies() throws {
        let group = IPAddress("239.1.1.1")!
        let pool = try PoolFixture(collectors: ["c1", "c2"])
        try pool.udp["c1"]!.join(group, interface: 1)
        let exporter = try InternetSocket(.udp)
        let loopback = Int32(bitPattern: UInt32(0x7f00_0001).bigEndian)
        try exporter.set(Int32(IPPROTO_IP), Int32(IP_MULTICAST_IF), loopback)
        for _ in 0..<10 { try exporter.send([1], to: group, PoolFixture.ipfixPort) }
        #expect(pool.takeReceived().mapValues(\.count) == ["c1": 10, "c2": 10])
        #expect(try pool.outcomes("ipfix").total == 0)
    }

    @Test func `each collector gets a copy of a multicast datagram, and the program runs for none`() async throws {
        try await Sandbox.run { _ in try Self.copies() }
    }
}
