import Glibc
import PoolModel
import SockArrayCore
import TelemetryLab
import Testing

extension SocketDiagTests {
    @Suite(.serialized) struct TCPSessionTests {
        private static let port: UInt16 = 1_790
        private static let router = IPAddress("10.0.0.1")!

        private static func only(_ sessions: [TCPSession]) throws -> TCPSession {
            try #require(sessions.count == 1)
            return sessions[0]
        }

        @Test(arguments: [
            ("0.0.0.0", "127.0.0.1", "10.0.0.1"), ("::", "127.0.0.1", "10.0.0.1"), ("::", "::1", "fd00::7"),
        ])
        func `sessions of IPv4, of IPv4 to :: and of IPv6 have both ends, before and after accept`(
            _ bind: String, _ target: String, _ source: String
        ) async throws {
            try await Sandbox.run { _ in
                let (bind, target, source) = (IPAddress(bind)!, IPAddress(target)!, IPAddress(source)!)
                let listener = try InternetSocket.collector(.tcp, bind, port: Self.port)
                let fixture = try SessionFixture(to: listener, target, Self.port, from: source, accepting: false)
                try fixture.client!.write([1, 2, 3])
                let waiting = try Self.only(TCPSession.all(onPort: Self.port))
                #expect(waiting.state == .established && waiting.isLive && waiting.inode == 0 && waiting.queued == 3)
                #expect(waiting.address.unmapped == target && waiting.port == Self.port)
                #expect(waiting.peer.unmapped == source && waiting.peerPort == fixture.clientPort)
                #expect((waiting.peer != source) == (bind == .v6(0, 0) && target == .v4(0x7f00_0001)), "mapped")

                let accepted = accept(listener.number, nil, nil)
                defer { close(accepted) }
                let session = try Self.only(TCPSession.all(onPort: Self.port))
                #expect(try session.cookie == waiting.cookie && session.cookie == SocketIdentity.cookie(of: accepted))
                #expect(session.inode == SocketIdentity.inode(of: accepted) && session.peer == waiting.peer)
                #expect(try TCPSession.all(onPort: Self.port + 1).isEmpty)
                #expect(try TCPSession.all(onPort: fixture.clientPort).map(\.peerPort) == [Self.port])
            }
        }

        @Test(arguments: ["0.0.0.0", "::"])
        func `a request held by TCP_DEFER_ACCEPT is SYN_RECV, and its session has its cookie`(
            _ bind: String
        ) async throws {
            try await Sandbox.run { _ in
                let listener = try InternetSocket.collector(.tcp, IPAddress(bind)!, port: Self.port)
                try listener.set(Int32(IPPROTO_TCP), TCP_DEFER_ACCEPT, 30)
                let fixture = try SessionFixture(
                    to: listener, .v4(0x7f00_0001), Self.port, from: Self.router, accepting: false)
                let request = try Self.only(TCPSession.all(onPort: Self.port))
                #expect(request.state == .synReceived && request.isLive && request.inode == 0)
                #expect(request.peer.unmapped == Self.router && request.peerPort == fixture.clientPort)
                #expect(request.address.unmapped == .v4(0x7f00_0001))
                try fixture.client!.write([1])
                let session = try Self.only(TCPSession.all(onPort: Self.port))
                #expect(session.state == .established && session.cookie == request.cookie)
                #expect(session.peer == request.peer && session.address == request.address)
            }
        }

        @Test func `ending sessions show 5 states, and disappear`() async throws {
            try await Sandbox.run { _ in
                let listener = try InternetSocket.collector(.tcp, .v4(0), port: Self.port)
                func reaches(_ state: TCPSession.State?, _ end: (SessionFixture) throws -> Void) throws -> Bool {
                    let fixture = try SessionFixture(to: listener, .v4(0x7f00_0001), Self.port, from: Self.router)
                    try end(fixture)
                    return try waitUntil(.seconds(2)) {
                        let sessions = try TCPSession.all(onPort: Self.port).filter {
                            $0.peerPort == fixture.clientPort
                        }
                        return sessions.map(\.state) == (state.map { [$0] } ?? [])
                            && !sessions.contains(where: \.isLive)
                    }
                }
                func finish(_ number: Int32) { shutdown(number, Int32(SHUT_WR)) }
                #expect(try reaches(.closeWait) { $0.closeClient() })
                #expect(try reaches(.finWait2) { $0.closeAccepted() })
                #expect(
                    try reaches(.finWait1) {
                        try $0.client!.goDeaf()
                        $0.closeAccepted()
                    })
                #expect(
                    try reaches(.lastAck) {
                        finish($0.client!.number)
                        try $0.client!.goDeaf()
                        $0.closeAccepted()
                    })
                #expect(
                    try reaches(.closing) {
                        try $0.client!.goDeaf()
                        finish($0.accepted)
                        finish($0.client!.number)
                    })
                // In TIME_WAIT, then closed.
                #expect(
                    try reaches(nil) {
                        $0.closeAccepted()
                        $0.closeClient()
                    })
                #expect(
                    try reaches(nil) {
                        $0.closeClient()
                        $0.closeAccepted()
                    })
            }
        }

        @Test(
            .enabled(if: Privilege.canEndSessions, "needs CAP_NET_ADMIN: sock_destroy"),
            arguments: [
                ("0.0.0.0", "127.0.0.1", "10.0.0.1"), ("::", "127.0.0.1", "10.0.0.1"), ("::", "::1", "fd00::7"),
            ])
        func `destroy of a session gives its peer ECONNRESET and its owner ECONNABORTED, and spares the other`(
            _ bind: String, _ target: String, _ source: String
        ) async throws {
            try await Sandbox.run { _ in
                #expect(try TCPSession.canDestroy())
                let (bind, target, source) = (IPAddress(bind)!, IPAddress(target)!, IPAddress(source)!)
                let listener = try InternetSocket.collector(.tcp, bind, port: Self.port)
                let doomed = try SessionFixture(to: listener, target, Self.port, from: source)
                let other = try SessionFixture(to: listener, target, Self.port, from: source)
                let sessions = try TCPSession.all(onPort: Self.port)
                let session = try #require(sessions.first { $0.peerPort == doomed.clientPort })
                #expect(try session.destroy())
                #expect(SessionFixture.readError(doomed.client!.number) == ECONNRESET)
                #expect(SessionFixture.readError(doomed.accepted) == ECONNABORTED)
                #expect(try TCPSession.all(onPort: Self.port) == sessions.filter { $0 != session })
                #expect(try !session.destroy(), "gone is no error")
                #expect(SessionFixture.readError(other.client!.number) == EAGAIN)
                #expect(SessionFixture.readError(other.accepted) == EAGAIN)
            }
        }

        @Test(.enabled(if: Privilege.canEndSessions, "needs CAP_NET_ADMIN: sock_destroy"))
        func `destroy with an old cookie spares a new session of the same addresses, and listeners`()
            async throws
        {
            try await Sandbox.run { _ in
                let listener = try InternetSocket.collector(.tcp, .v4(0), port: Self.port)
                let fixture = try SessionFixture(to: listener, .v4(0x7f00_0001), Self.port, from: Self.router)
                var session = try Self.only(TCPSession.all(onPort: Self.port))
                session.cookie += 1
                #expect(try !session.destroy())
                #expect(SessionFixture.readError(fixture.client!.number) == EAGAIN)
                #expect(try SocketDump.members(of: .tcp, port: Self.port).count == 1)
            }
        }

        @Test(.enabled(if: Privilege.canEndSessions, "needs CAP_NET_ADMIN: sock_destroy"))
        func `destroy ends a request and a session that isn't accepted yet`() async throws {
            try await Sandbox.run { _ in
                let listener = try InternetSocket.collector(.tcp, .v6(0, 0), port: Self.port)
                func fixture() throws -> SessionFixture {
                    try SessionFixture(to: listener, .v4(0x7f00_0001), Self.port, from: Self.router, accepting: false)
                }
                let waiting = try fixture()
                #expect(try Self.only(TCPSession.all(onPort: Self.port)).destroy())
                #expect(SessionFixture.readError(waiting.client!.number) == ECONNRESET)
                try listener.set(Int32(IPPROTO_TCP), TCP_DEFER_ACCEPT, 30)
                let requested = try fixture()
                #expect(try Self.only(TCPSession.all(onPort: Self.port)).destroy())
                #expect(try TCPSession.all(onPort: Self.port).isEmpty)
                #expect(SessionFixture.readError(requested.client!.number) == EAGAIN, "not a word to the peer")
            }
        }

        @Test func `uid 1000 can list sessions, and destroy is refused with EPERM`() async throws {
            try await Sandbox.run { sandbox in
                let listener = try InternetSocket.collector(.tcp, .v4(0), port: Self.port)
                let fixture = try SessionFixture(to: listener, .v4(0x7f00_0001), Self.port, from: Self.router)
                try sandbox.asUser(1_000) {
                    #expect(try SocketDump.members(of: .tcp, port: Self.port).count == 1)
                    let session = try Self.only(TCPSession.all(onPort: Self.port))
                    #expect(session.inode == SocketIdentity.inode(of: fixture.accepted) && session.user == 0)
                    #expect(try TCPSession.canDestroy())
                    let refused = #expect(throws: KernelError.self) { try session.destroy() }
                    #expect(refused?.errno == EPERM)
                    #expect(
                        refused?.operation == "SOCK_DESTROY of tcp 10.0.0.1:\(fixture.clientPort) to 127.0.0.1:1790")
                }
                #expect(SessionFixture.readError(fixture.client!.number) == EAGAIN)
            }
        }
    }
}
