import CBPFShim
import Glibc
import Testing

/// Bytes that sock_diag(7) sends, and bytes that it must not send.
@Suite struct DiagMessageTests {
    private static func bytes<Value>(of value: Value) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }

    private static func attribute(_ type: UInt16, _ value: [UInt8], length: UInt16? = nil) -> [UInt8] {
        let padding = [UInt8](repeating: 0, count: (4 - value.count % 4) % 4)
        return bytes(of: length ?? UInt16(4 + value.count)) + bytes(of: type) + value + padding
    }

    /// nlmsghdr.
    private static func message(_ type: UInt16, _ body: [UInt8], length: UInt32? = nil, flags: UInt16 = 2) -> [UInt8] {
        bytes(of: length ?? UInt32(16 + body.count)) + bytes(of: type) + bytes(of: flags)
            + [UInt8](repeating: 0, count: 8) + body
    }

    /// inet_diag_msg: [2001:db8::1]:4739 from [::ffff:192.0.2.7]:41000, established.
    private static let body: [UInt8] =
        [10, 1, 0, 0] + [0x12, 0x83, 0xa0, 0x28] + [0x20, 1, 0xd, 0xb8] + [UInt8](repeating: 0, count: 11) + [1]
        + [UInt8](repeating: 0, count: 10) + [0xff, 0xff, 192, 0, 2, 7]
        + bytes(of: (UInt32(3), UInt32(0x89ab_cdef), UInt32(0x0123_4567)))
        + bytes(of: (UInt32(0), UInt32(512), UInt32(0), UInt32(1_000), UInt32(77)))

    private static let memory = attribute(7, (UInt32(0)..<9).flatMap { bytes(of: $0 * 11) })
    private static let ipv6Only = attribute(11, [1])
    private static let protocolUDP = attribute(10, [17])

    /// A reader that goes beyond the end would be killed, because no memory follows.
    private static func read(_ datagram: [UInt8]) -> (results: [Int32], sockets: [rpa_diag_socket]) {
        let page = 4_096
        let memory = mmap(nil, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
        defer { munmap(memory, 2 * page) }
        mprotect(memory + page, page, PROT_NONE)
        let start = memory + page - datagram.count
        start.copyMemory(from: datagram, byteCount: datagram.count)
        var offset = 0
        var results: [Int32] = []
        var sockets: [rpa_diag_socket] = []
        while results.last ?? 1 > 0, results.count < 100 {
            var socket = rpa_diag_socket()
            results.append(rpa_diag_read(start, datagram.count, &offset, &socket))
            if results.last == 1 { sockets.append(socket) }
        }
        return (results, sockets)
    }

    @Test func `one message gives all 13 fields of a socket`() throws {
        let (results, sockets) = Self.read(
            Self.message(20, Self.body + Self.memory + Self.attribute(8, [0]) + Self.protocolUDP + Self.ipv6Only))
        #expect(results == [1, 0])
        let socket = try #require(sockets.first)
        #expect(socket.family == 10 && socket.protocol == 17 && socket.state == 1 && socket.ipv6_only == 1)
        #expect(socket.port == 4_739 && socket.peer_port == 41_000 && socket.interface == 3)
        #expect(Self.bytes(of: socket.address) == Array(Self.body[8..<24]))
        #expect(Self.bytes(of: socket.peer) == Array(Self.body[24..<40]))
        #expect(socket.cookie == 0x0123_4567_89ab_cdef && socket.inode == 77 && socket.uid == 1_000)
        #expect(socket.queued == 512 && socket.drops == 88)
    }

    @Test func `sockets, an unknown message and the end are read in order, also from an odd address`() {
        let datagram =
            Self.message(20, Self.body) + Self.message(4, []) + Self.message(20, Self.body + Self.ipv6Only)
            + Self.message(3, [0, 0, 0, 0])
        #expect(Self.read(datagram).results == [1, 2, 1, 3, 0])
        #expect(Self.read(datagram).sockets.map(\.ipv6_only) == [0, 1])
        let odd = Self.read(datagram + Self.message(4, [0], length: 17))
        #expect(odd.results == [1, 2, 1, 3, 2, 0])
        #expect(odd.sockets.map(\.port) == [4_739, 4_739])
    }

    @Test func `an error is returned as its errno, an interrupted answer as -4, and error 0 is the end`() {
        let refused = Self.bytes(of: Int32(-2))
        #expect(Self.read(Self.message(2, refused)).results == [-2])
        #expect(Self.read(Self.message(3, refused)).results == [-2])
        #expect(Self.read(Self.message(2, Self.bytes(of: Int32(0)))).results == [3, 0])
        #expect(Self.read(Self.message(3, [])).results == [3, 0])
        #expect(Self.read(Self.message(20, Self.body, flags: 0x12)).results == [-4])
        #expect(Self.read(Self.message(3, [0, 0, 0, 0], flags: 0x12)).results == [-4])
    }

    @Test func `impossible lengths are -74, and nothing beyond them is read`() {
        for length: UInt32 in [0, 15, 17, 87, 89, .max] {
            let results = Self.read(Self.message(20, Self.body, length: length)).results
            #expect(results == [-EBADMSG], "nlmsg_len \(length)")
        }
        for length: UInt16 in [0, 3, 41, .max] {
            let broken = Self.attribute(7, [UInt8](repeating: 0, count: 36), length: length)
            #expect(Self.read(Self.message(20, Self.body + broken)).results == [-EBADMSG], "nla_len \(length)")
        }
    }

    @Test func `attributes too short for their value count as 0`() {
        let short =
            Self.attribute(7, [UInt8](repeating: 9, count: 35)) + Self.attribute(10, []) + Self.attribute(11, [])
        let (results, sockets) = Self.read(Self.message(20, Self.body + short))
        #expect(results == [1, 0])
        #expect(sockets.map(\.drops) == [0] && sockets.map(\.protocol) == [0] && sockets.map(\.ipv6_only) == [0])
    }

    @Test func `a datagram that is cut or random is never read beyond its end`() {
        let whole =
            Self.message(20, Self.body + Self.memory + Self.protocolUDP) + Self.message(20, Self.body + Self.ipv6Only)
        for count in 0..<whole.count {
            let results = Self.read(Array(whole[..<count])).results
            #expect(results.last == (count == 0 || count == 136 ? 0 : -EBADMSG), "\(count) bytes")
        }
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            var changed = whole
            for _ in 0..<4 { changed[.random(in: 0..<whole.count, using: &generator)] = generator.next() }
            #expect(Self.read(changed).results.count < 100)
        }
    }
}
