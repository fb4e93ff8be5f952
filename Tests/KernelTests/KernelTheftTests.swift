import Glibc
import PoolModel
import PoolReport
import SockArrayCore
import TelemetryLab
import Testing

/// Who gets a datagram or a connection if a group and another socket both could: the
/// kernel, beside `ReuseportGroup.theft`.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces")) struct KernelTheftTests {
    private static let port: UInt16 = 4_739

    /// A socket beside the group.
    struct Rival: Sendable {
        var address: String
        var ipv6Only = false
        var onLoopback = false

        func open(_ kind: InternetSocket.Kind) throws -> InternetSocket {
            let address = IPAddress(self.address)!
            let socket = try InternetSocket(
                kind, reuseport: true, ipv6Only: ipv6Only, family: self.address.contains(":") ? AF_INET6 : AF_INET)
            if onLoopback {
                let name = Array("lo".utf8) + [0]
                guard setsockopt(socket.number, SOL_SOCKET, SO_BINDTODEVICE, name, 3) == 0 else {
                    throw LabError("SO_BINDTODEVICE: errno \(errno)")
                }
            }
            try socket.bind(address, KernelTheftTests.port)
            if kind == .tcp { try socket.listen() }
            return socket
        }
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var group: String
        var groupIsIPv6Only = false
        var rival: Rival
        /// Where the datagram is sent.
        var target: String
        var testDescription: String {
            "\(rival.address)\(rival.ipv6Only ? " v6only" : "")\(rival.onLoopback ? "%lo" : "") beside "
                + "\(group)\(groupIsIPv6Only ? " v6only" : ""), to \(target)"
        }
    }

    static let cases: [Case] = [
        Case(group: "0.0.0.0", rival: Rival(address: "127.0.0.1"), target: "127.0.0.1"),
        Case(group: "0.0.0.0", rival: Rival(address: "127.0.0.1"), target: "127.0.0.2"),
        Case(group: "0.0.0.0", rival: Rival(address: "::ffff:127.0.0.1"), target: "127.0.0.1"),
        Case(group: "0.0.0.0", rival: Rival(address: "::"), target: "127.0.0.1"),
        Case(group: "0.0.0.0", rival: Rival(address: "0.0.0.0", onLoopback: true), target: "127.0.0.1"),
        Case(group: "0.0.0.0", rival: Rival(address: "::", onLoopback: true), target: "127.0.0.1"),
        Case(group: "::", rival: Rival(address: "0.0.0.0", onLoopback: true), target: "127.0.0.1"),
        Case(group: "127.0.0.1", rival: Rival(address: "127.0.0.1", onLoopback: true), target: "127.0.0.1"),
        Case(group: "127.0.0.1", rival: Rival(address: "0.0.0.0", onLoopback: true), target: "127.0.0.1"),
        Case(group: "127.0.0.1", rival: Rival(address: "::ffff:127.0.0.1"), target: "127.0.0.1"),
        Case(group: "127.0.0.1", rival: Rival(address: "0.0.0.0"), target: "127.0.0.1"),
        Case(group: "::", rival: Rival(address: "0.0.0.0"), target: "127.0.0.1"),
        Case(group: "::", rival: Rival(address: "0.0.0.0"), target: "::1"),
        Case(group: "::", rival: Rival(address: "127.0.0.1"), target: "127.0.0.1"),
        Case(group: "::", rival: Rival(address: "::1"), target: "::1"),
        Case(group: "::", rival: Rival(address: "::", onLoopback: true), target: "::1"),
        Case(group: "::", groupIsIPv6Only: true, rival: Rival(address: "::1"), target: "::1"),
        Case(group: "::", groupIsIPv6Only: true, rival: Rival(address: "0.0.0.0"), target: "::1"),
    ]

    private static func member(_ kind: InternetSocket.Kind, _ one: Case) throws -> InternetSocket {
        let socket = try InternetSocket(
            kind, bind: IPAddress(one.group)!, port: port, reuseport: true, ipv6Only: one.groupIsIPv6Only)
        if kind == .tcp { try socket.listen() }
        return socket
    }

    /// The traffic that the rival takes by the rule.
    private static func theft(_ kind: InternetSocket.Kind, _ one: Case, _ rival: InternetSocket) throws -> TrafficTheft?
    {
        let transport: ReuseportGroup.TransportProtocol = kind == .udp ? .udp : .tcp
        let group = ReuseportGroup(
            name: "g", transport: transport, address: IPAddress(one.group)!, port: port, ipv6Only: one.groupIsIPv6Only)
        let listed = try SocketDump.members(of: transport, port: port)
        return group.theft(by: try #require(listed.first { try! $0.cookie == rival.cookie }))
    }

    /// The rule's result for one target. An interface is a matter of order:
    /// of IPv4 the last to be bound comes first, of IPv6 the first.
    private static func takes(_ theft: TrafficTheft?, _ target: IPAddress, _ one: Case, groupFirst: Bool) -> Bool {
        switch theft {
        case .address(let address): address == target
        case .interface where one.group.contains(":") && !one.rival.address.contains(":"): true
        case .interface: one.rival.address.contains(":") ? !groupFirst : groupFirst
        case .allIPv4: if case .v4 = target { true } else { false }
        case .perhapsAllIPv6, .peer, nil: false
        }
    }

    @Test(arguments: cases, [true, false])
    func `a datagram goes where the rule says, in any order of binds`(one: Case, groupFirst: Bool) async throws {
        try await Sandbox.run { _ in
            let first = groupFirst ? try Self.member(.udp, one) : nil
            let rival = try one.rival.open(.udp)
            let member = try first ?? Self.member(.udp, one)
            let target = IPAddress(one.target)!
            let sender = try InternetSocket(.udp, bind: target)
            try sender.send([1], to: target, Self.port)
            let isTaken = Self.takes(try Self.theft(.udp, one, rival), target, one, groupFirst: groupFirst)
            #expect(rival.receiveWaiting().count == (isTaken ? 1 : 0))
            #expect(member.receiveWaiting().count == (isTaken ? 0 : 1))
        }
    }

    @Test(arguments: cases, [true, false])
    func `a connection goes where the rule says, in any order of binds`(one: Case, groupFirst: Bool) async throws {
        try await Sandbox.run { _ in
            let first = groupFirst ? try Self.member(.tcp, one) : nil
            let rival = try one.rival.open(.tcp)
            let member = try first ?? Self.member(.tcp, one)
            let target = IPAddress(one.target)!
            let sender = try InternetSocket(.tcp, bind: target)
            try sender.connect(target, Self.port)
            let isTaken = Self.takes(try Self.theft(.tcp, one, rival), target, one, groupFirst: groupFirst)
            #expect(rival.acceptWaiting().count == (isTaken ? 1 : 0))
            #expect(member.acceptWaiting().count == (isTaken ? 0 : 1))
        }
    }

    @Test(arguments: [InternetSocket.Kind.udp, .tcp])
    func `one of [::] dual-stack and [::] IPv6-only gets all by IPv6, and the rule says perhaps`(
        kind: InternetSocket.Kind
    ) async throws {
        try await Sandbox.run { _ in
            let one = Case(group: "::", rival: Rival(address: "::", ipv6Only: true), target: "::1")
            let member = try Self.member(kind, one)
            let rival = try one.rival.open(kind)
            #expect(try Self.theft(kind, one, rival) == .perhapsAllIPv6)
            for _ in 0..<50 {
                let sender = try InternetSocket(kind, bind: .v6(0, 1))
                if kind == .udp {
                    try sender.send([1], to: .v6(0, 1), Self.port)
                } else {
                    try sender.connect(.v6(0, 1), Self.port)
                }
            }
            let counts =
                kind == .udp
                ? [member.receiveWaiting().count, rival.receiveWaiting().count]
                : [member.acceptWaiting().count, rival.acceptWaiting().count]
            #expect(counts.sorted() == [0, 50])
        }
    }

    @Test func `a member that is connected to a peer gets what that peer sends, past the program`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture()
            let peer = try InternetSocket(.udp, bind: .v4(0x0a09_0001), port: 5_000)
            let connected = try InternetSocket.collector(.udp, .v4(0), port: Self.port)
            try connected.connect(.v4(0x0a09_0001), 5_000)
            let listed = try SocketDump.members(of: .udp, port: Self.port)
            let socket = try #require(listed.first { try! $0.cookie == connected.cookie })
            #expect(pool.kernel.configuration.groups[0].theft(by: socket) == .peer)
            try peer.send([1], to: socket.address, Self.port)
            #expect(connected.receiveWaiting().count == 1)
            #expect(try pool.outcomes("ipfix").total == 0)
        }
    }
}
