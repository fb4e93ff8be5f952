import Glibc
import PoolModel
import SockArrayCore
import TelemetryLab
import Testing

extension SocketDiagTests {
    @Suite(.serialized) struct SocketDumpTests {
        private static let port: UInt16 = 4_739

        private static func member(_ cookie: UInt64, in members: [BoundSocket]) throws -> BoundSocket {
            try #require(members.first { $0.cookie == cookie })
        }

        /// Differences between the dump and the socket itself.
        private static func differs(_ member: BoundSocket, from socket: InternetSocket) throws -> Bool {
            let facts = try PoolFixture.offer(socket.number).offer.socket
            return member.address != facts.address || member.port != facts.port || member.hasPeer != facts.isConnected
                || member.interface != facts.interface || (!facts.isConnected && member.ipv6Only != facts.ipv6Only)
        }

        @Test func `UDP sockets of one port, of each kind of bind and one with a peer, are listed as they are`()
            async throws
        {
            try await Sandbox.run { _ in
                let loopback = IPAddress("::1")!
                let sockets: [InternetSocket] = try [
                    InternetSocket(.udp, bind: .v4(0), port: Self.port, reuseport: true),
                    InternetSocket(.udp, bind: .v4(0x7f00_0001), port: Self.port, reuseport: true),
                    InternetSocket(.udp, bind: .v6(0, 0), port: Self.port, reuseport: true),
                    InternetSocket(.udp, bind: .v6(0, 0), port: Self.port, reuseport: true, ipv6Only: true),
                    InternetSocket(.udp, bind: loopback, port: Self.port, reuseport: true),
                    InternetSocket(.udp, bind: .v4(0x0a00_0001), port: Self.port, reuseport: true),
                    InternetSocket(.udp, bind: .v4(0x7f00_0002), port: Self.port, reuseport: true),
                ]
                try sockets[5].set(SOL_SOCKET, 62, 1)  // SO_BINDTOIFINDEX
                try sockets[6].connect(.v4(0x7f00_0003), 9)
                let other = try InternetSocket(.udp, bind: .v4(0), port: Self.port + 1)
                let members = try SocketDump.members(of: .udp, port: Self.port)
                #expect(members.count == 7)
                for socket in sockets {
                    let member = try Self.member(socket.cookie, in: members)
                    #expect(try !Self.differs(member, from: socket), "\(member)")
                    #expect(
                        member.transport == .udp && member.user == 0
                            && member.inode == SocketIdentity.inode(of: socket.number))
                }
                #expect(members.filter(\.ipv6Only).count == 2 && members.filter(\.hasPeer).count == 1)
                #expect(members.filter { $0.interface == "lo" }.count == 1)
                _ = other
            }
        }

        @Test func `listeners are listed, not their sessions, nor a socket that is only bound`() async throws {
            try await Sandbox.run { _ in
                let listeners: [InternetSocket] = try [
                    .collector(.tcp, .v4(0), port: Self.port), .collector(.tcp, .v4(0x7f00_0001), port: Self.port),
                    .collector(.tcp, .v6(0, 0), port: Self.port),
                    InternetSocket(.tcp, bind: .v6(0, 0), port: Self.port, reuseport: true, ipv6Only: true),
                ]
                try listeners[3].listen()
                let bound = try InternetSocket(.tcp, bind: .v4(0x7f00_0002), port: Self.port, reuseport: true)
                let sessions = try (0..<3).map { _ in
                    try SessionFixture(
                        to: listeners[1], .v4(0x7f00_0001), Self.port, from: .v4(0x0a00_0001), accepting: false)
                }
                let members = try SocketDump.members(of: .tcp, port: Self.port)
                #expect(members.count == 4)
                for (index, listener) in listeners.enumerated() {
                    let member = try Self.member(listener.cookie, in: members)
                    #expect(try !Self.differs(member, from: listener), "\(member)")
                    #expect(member.queued == (index == 1 ? 3 : 0))
                }
                #expect(try SocketDump.members(of: .udp, port: Self.port).isEmpty)
                _ = (bound, sessions)
            }
        }

        @Test func `a queue with datagrams has bytes, a full one has drops, and fchown moves a socket to uid 1000`()
            async throws
        {
            try await Sandbox.run { _ in
                let socket = try InternetSocket(.udp, bind: .v6(0, 0), port: Self.port)
                try socket.set(SOL_SOCKET, SO_RCVBUF, 4_096)
                fchown(socket.number, 1_000, 1_000)
                let sender = try InternetSocket(.udp, bind: .v4(0x0a00_0001))
                func send(_ count: Int) throws -> BoundSocket {
                    for _ in 0..<count {
                        try sender.send([UInt8](repeating: 1, count: 100), to: .v4(0x7f00_0001), Self.port)
                    }
                    return try Self.member(socket.cookie, in: SocketDump.members(of: .udp, port: Self.port))
                }
                let few = try send(5)
                #expect(few.queued >= 500 && few.drops == 0 && few.user == 1_000)
                let many = try send(100)
                let received = socket.receiveWaiting().count
                #expect(many.drops == UInt64(105 - received) && received > 5)
                #expect(try send(0).queued == 0)
            }
        }

        @Test(arguments: [ReuseportGroup.TransportProtocol.udp, .tcp])
        func `a dump has each of 3,000 sockets of one port once, and none of another port`(
            _ transport: ReuseportGroup.TransportProtocol
        ) async throws {
            try await Sandbox.run { _ in
                let kind: InternetSocket.Kind = transport == .udp ? .udp : .tcp
                SocketIdentity.makeRoom(for: 8_192)
                var cookies: Set<UInt64> = []
                var sockets: [InternetSocket] = []
                for index in 0..<3_500 {
                    let port = index % 7 == 0 ? Self.port + 1 : Self.port
                    // One group of 3,000 would take long to join: 8 addresses, every other of IPv6.
                    let address: IPAddress =
                        index % 2 == 0 ? .v4(0x0a00_0000 + UInt32(index % 8)) : .v6(1, UInt64(index % 8))
                    sockets.append(try .collector(kind, address, port: port))
                    if port == Self.port { cookies.insert(try sockets[index].cookie) }
                }
                let members = try SocketDump.members(of: transport, port: Self.port)
                #expect(cookies.count == 3_000 && members.count == 3_000)
                #expect(Set(members.map(\.cookie)) == cookies)
            }
        }
    }
}
