import Glibc
import PoolModel
import SockArrayCore
import TelemetryLab
import Testing

extension SocketDiagTests {
    @Suite(.serialized) struct SocketCloseEventsTests {
        private static let port: UInt16 = 4_739
        private static let router = IPAddress("10.0.0.1")!
        private static let loopback = IPAddress("127.0.0.1")!

        @Test(arguments: [ReuseportGroup.TransportProtocol.udp, .tcp], ["0.0.0.0", "127.0.0.1", "::", "fd00::1"])
        func `a closed UDP socket or listener is reported once, and is in no dump by then`(
            _ transport: ReuseportGroup.TransportProtocol, _ address: String
        ) async throws {
            try await Sandbox.run { sandbox in
                try sandbox.asUser(1_000) {
                    let address = IPAddress(address)!
                    let events = try SocketCloseEvents(ports: [9, Self.port], withSessions: true)
                    var socket: InternetSocket? = try .collector(
                        transport == .udp ? .udp : .tcp, address, port: Self.port)
                    let cookie = try socket!.cookie
                    #expect(try events.next() == nil)
                    socket = nil
                    let closed = try #require(try events.waitForClosed())
                    #expect(try SocketDump.members(of: transport, port: Self.port).isEmpty)
                    let none: IPAddress = if case .v4 = address { .v4(0) } else { .v6(0, 0) }
                    #expect(
                        closed
                            == ClosedSocket(
                                transport: transport, address: address, port: Self.port, peer: none, peerPort: 0,
                                cookie: cookie))
                    #expect(try events.wait(.milliseconds(50)) == nil)
                }
            }
        }

        @Test func `SIGKILL of the owner of 2 sockets causes 2 events, and none while a child still has them`()
            async throws
        {
            try await Sandbox.run { sandbox in
                let events = try SocketCloseEvents(ports: [Self.port], withSessions: true)
                var sockets: [InternetSocket]? = try [
                    .collector(.udp, .v4(0), port: Self.port), .collector(.tcp, .v6(0, 0), port: Self.port),
                ]
                let cookies = try Set(sockets!.map { try $0.cookie })
                let process = try ChildProcess(
                    ["sleep", "60"], in: sandbox, descriptors: [5: sockets![0].number, 6: sockets![1].number])
                sockets = nil
                #expect(try events.wait(.milliseconds(50)) == nil)
                process.send(SIGKILL)
                let closed = try [#require(try events.waitForClosed()), #require(try events.waitForClosed())]
                #expect(Set(closed.map(\.cookie)) == cookies)
                #expect(Set(closed.map(\.transport)) == [.udp, .tcp])
                try process.wait()
            }
        }

        @Test(arguments: ["0.0.0.0", "::"])
        func `a session that its peer closed is reported when its owner closes it, and is in no dump by then`(
            _ bind: String
        ) async throws {
            try await Sandbox.run { _ in
                let listener = try InternetSocket.collector(.tcp, IPAddress(bind)!, port: Self.port)
                let events = try SocketCloseEvents(ports: [Self.port], withSessions: true)
                let fixture = try SessionFixture(to: listener, Self.loopback, Self.port, from: Self.router)
                let session = try TCPSession.all(onPort: Self.port)[0]
                fixture.closeClient()
                #expect(try events.wait(.milliseconds(50)) == nil)
                fixture.closeAccepted()
                let closed = try #require(try events.waitForClosed())
                #expect(try TCPSession.all(onPort: Self.port).isEmpty)
                #expect(
                    closed
                        == ClosedSocket(
                            transport: .tcp, address: session.address, port: Self.port, peer: session.peer,
                            peerPort: fixture.clientPort, cookie: session.cookie))
                #expect(closed.peer.unmapped == Self.router)
            }
        }

        @Test func `without sessions only a listener's end is reported; with sessions theirs, too`() async throws {
            try await Sandbox.run { _ in
                var listener: InternetSocket? = try .collector(.tcp, .v4(0), port: Self.port)
                let cookie = try listener!.cookie
                let events = try SocketCloseEvents(ports: [9, Self.port], withSessions: false)
                func openAndEnd() throws {
                    let fixture = try SessionFixture(to: listener!, Self.loopback, Self.port, from: Self.router)
                    fixture.closeClient()
                    fixture.closeAccepted()
                }
                try openAndEnd()
                #expect(try events.wait(.milliseconds(100)) == nil)
                try events.watch(ports: [9, Self.port], withSessions: true)
                try openAndEnd()
                #expect(try events.waitForClosed()?.peer.unmapped == Self.router)
                try events.watch(ports: [9, Self.port], withSessions: false)
                try openAndEnd()
                listener = nil
                #expect(try events.waitForClosed()?.cookie == cookie)
                #expect(try events.wait(.milliseconds(100)) == nil)
            }
        }

        @Test
        func `a session that its owner closed first is reported at once and stays in FIN_WAIT2`()
            async throws
        {
            try await Sandbox.run { _ in
                let listener = try InternetSocket.collector(.tcp, .v4(0), port: Self.port)
                let events = try SocketCloseEvents(ports: [Self.port], withSessions: true)
                let fixture = try SessionFixture(to: listener, Self.loopback, Self.port, from: Self.router)
                let session = try TCPSession.all(onPort: Self.port)[0]
                fixture.closeAccepted()
                let closed = try #require(try events.waitForClosed())
                #expect(closed.cookie == session.cookie && closed.peerPort == fixture.clientPort)
                let left = try TCPSession.all(onPort: Self.port)
                #expect(left.map(\.state) == [.finWait2] && left.map(\.cookie) == [session.cookie])
                #expect(left.map(\.inode) == [0])
                fixture.closeClient()
                #expect(try waitUntil(.seconds(2)) { try TCPSession.all(onPort: Self.port).isEmpty })
                #expect(try events.wait(.milliseconds(50)) == nil)
            }
        }

        @Test
        func `a session in a closed listener's queue is reported beside the listener, a request is not`()
            async throws
        {
            try await Sandbox.run { _ in
                var listener: InternetSocket? = try .collector(.tcp, .v4(0), port: Self.port)
                let events = try SocketCloseEvents(ports: [Self.port], withSessions: true)
                func client() throws -> SessionFixture {
                    try SessionFixture(
                        to: listener!, Self.loopback, Self.port, from: Self.router, accepting: false)
                }
                let waiting = try client()
                let session = try TCPSession.all(onPort: Self.port)[0]
                try listener!.set(Int32(IPPROTO_TCP), TCP_DEFER_ACCEPT, 30)
                let requested = try client()
                let cookie = try listener!.cookie
                listener = nil
                let closed = try [#require(try events.waitForClosed()), #require(try events.waitForClosed())]
                #expect(Set(closed.map(\.cookie)) == [cookie, session.cookie])
                #expect(closed.map(\.peerPort) == [0, 0], "the kernel disconnects what nobody accepted")
                #expect(try events.wait(.milliseconds(100)) == nil)
                #expect(try TCPSession.all(onPort: Self.port).isEmpty)
                _ = (waiting, requested)
            }
        }

        @Test
        func
            `of 256 watched and 44 other ports, each closed socket is reported, and the watched ports can change`()
            async throws
        {
            try await Sandbox.run { _ in
                let ports = (UInt16(20_000)..<20_300).map { $0 }
                func told(_ events: SocketCloseEvents) throws -> [UInt16] {
                    for port in ports { _ = try InternetSocket.collector(.udp, .v4(0), port: port) }
                    _ = try InternetSocket.collector(.udp, .v4(0), port: 9)
                    var told: [UInt16] = []
                    while told.last != 9, let closed = try events.waitForClosed() { told.append(closed.port) }
                    // Two processors' events may pass each other.
                    while case .closed(let closed)? = try events.wait(.milliseconds(100)) { told.append(closed.port) }
                    return told.filter { $0 != 9 }.sorted()
                }
                let events = try SocketCloseEvents(ports: Set(ports[..<255] + [9]), withSessions: true)
                #expect(try told(events) == Array(ports[..<255]))
                try events.watch(ports: Set(ports[290...] + [9]), withSessions: true)
                #expect(try told(events) == Array(ports[290...]))
                let refused = #expect(throws: KernelError.self) {
                    try events.watch(ports: Set(ports[..<257]), withSessions: true)
                }
                #expect(refused?.errno == E2BIG)
                #expect(try told(events) == Array(ports[290...]), "the old ones stay")
                try events.watch(ports: [], withSessions: true)
                _ = try InternetSocket.collector(.udp, .v4(0), port: ports[0])
                #expect(try events.wait(.milliseconds(100)) == nil)
            }
        }

        @Test
        func
            `1,000 closed sockets of other ports don't overrun a short queue; of this port: 1 overrun, then reports`()
            async throws
        {
            try await Sandbox.run { _ in
                // Made first: the kernel serves the newest queue first, so this one has an event last.
                let witness = try SocketCloseEvents(ports: [Self.port], withSessions: true)
                let events = try SocketCloseEvents(ports: [Self.port], withSessions: true)
                var few: Int32 = 8_192
                setsockopt(events.number, SOL_SOCKET, SO_RCVBUF, &few, 4)
                // SO_REUSEPORT: what another test starts has a copy of each socket until it execs.
                func end(_ count: Int, port: UInt16) throws {
                    for _ in 0..<count { _ = try InternetSocket.collector(.udp, .v4(0), port: port) }
                }
                try end(1_000, port: 9)
                #expect(try events.wait(.milliseconds(200)) == nil)
                try end(1_000, port: Self.port)
                for number in 0..<1_000 {
                    try #require(try witness.waitForClosed()?.port == Self.port, "event \(number)")
                }
                #expect(try events.next() == .overrun)
                #expect(try events.next() == nil)
                for _ in 0..<20 {
                    try end(1, port: Self.port)
                    #expect(try events.waitForClosed()?.port == Self.port)
                }
            }
        }

        @Test func `the ends of 2,000 sockets are reported although they came before the first read`() async throws {
            try await Sandbox.run { _ in
                let events = try SocketCloseEvents(ports: [Self.port], withSessions: true)
                var cookies: Set<UInt64> = []
                for _ in 0..<2_000 {
                    cookies.insert(try InternetSocket.collector(.udp, .v4(0), port: Self.port).cookie)
                }
                while let closed = try events.waitForClosed(), cookies.remove(closed.cookie) != nil, !cookies.isEmpty {}
                #expect(cookies.isEmpty)
            }
        }

        @Test func `when a socket's end is reported, it has left its sockarray`() async throws {
            try await Sandbox.run { _ in
                let pool = try PoolFixture()
                let events = try SocketCloseEvents(
                    ports: [PoolFixture.ipfixPort, PoolFixture.bmpPort], withSessions: true)
                for _ in 0..<10 {
                    pool.stop("c2")
                    for _ in 0..<2 {
                        let closed = try #require(try events.waitForClosed())
                        let group = closed.transport == .udp ? "ipfix" : "bmp"
                        #expect(try pool.kernel.status().collectors[1].groups[group]?.cookie == nil)
                    }
                    try pool.start("c2")
                }
            }
        }
    }
}
