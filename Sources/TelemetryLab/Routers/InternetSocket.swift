import Glibc
import PoolModel

/// A UDP or TCP socket of a simulated exporter or collector. Closed with its object.
public final class InternetSocket: Sendable {
    public enum Kind: Sendable { case udp, tcp, mptcp }

    public let number: Int32
    private let family: Int32
    /// IPV6_FREEBIND, which Glibc's headers leave to the kernel's.
    private static let ipv6FreeBind: Int32 = 78
    /// IPPROTO_MPTCP.
    private static let mptcp: Int32 = 262

    /// - Parameters:
    ///   - reuseport: SO_REUSEPORT, as collectors set it before bind.
    ///   - reuseaddr: SO_REUSEADDR, as nfacctd sets it in addition.
    ///   - ipv6Only: IPV6_V6ONLY; else `::` is dual-stack.
    /// - Throws: an error with the system call and its errno.
    public init(
        _ kind: Kind, bind address: IPAddress? = nil, port: UInt16 = 0, reuseport: Bool = false,
        reuseaddr: Bool = false, ipv6Only: Bool = false, family: Int32? = nil
    ) throws {
        if case .v6 = address { self.family = family ?? AF_INET6 } else { self.family = family ?? AF_INET }
        let type = kind == .udp ? SOCK_DGRAM : SOCK_STREAM
        number = socket(
            self.family, Int32(type.rawValue) | Int32(SOCK_CLOEXEC.rawValue), kind == .mptcp ? Self.mptcp : 0)
        guard number >= 0 else { throw LabError("socket: errno \(errno)") }
        if reuseport { try set(SOL_SOCKET, SO_REUSEPORT, 1) }
        if reuseaddr { try set(SOL_SOCKET, SO_REUSEADDR, 1) }
        if self.family == AF_INET6 {
            try set(Int32(IPPROTO_IPV6), Int32(IPV6_V6ONLY), ipv6Only ? 1 : 0)
            if kind != .mptcp { try set(Int32(IPPROTO_IPV6), Self.ipv6FreeBind, 1) }
        } else if kind != .mptcp {
            try set(Int32(IPPROTO_IP), Int32(IP_FREEBIND), 1)
        }
        if let address { try bind(address, port) }
    }

    private init(accepted number: Int32, family: Int32) {
        self.number = number
        self.family = family
    }

    deinit { _ = ForkGate.pass { close(number) } }

    /// A collector's member of a reuseport group.
    public static func collector(
        _ kind: Kind, _ address: IPAddress, port: UInt16, reuseaddr: Bool = false
    ) throws -> InternetSocket {
        let socket = try InternetSocket(kind, bind: address, port: port, reuseport: true, reuseaddr: reuseaddr)
        if kind != .udp { try socket.listen() }
        return socket
    }

    /// Makes close(2) end a session by a reset, so that the port is free at once.
    public func endByReset() {
        var now = linger(l_onoff: 1, l_linger: 0)
        setsockopt(number, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
    }

    public func set(_ level: Int32, _ name: Int32, _ value: Int32) throws {
        var value = value
        guard setsockopt(number, level, name, &value, socklen_t(MemoryLayout<Int32>.size)) == 0 else {
            throw LabError("setsockopt \(level) \(name): errno \(errno)")
        }
    }

    /// - Parameter interface: index of the interface of a link-local address.
    public func bind(_ address: IPAddress, _ port: UInt16, interface: UInt32 = 0) throws {
        try call("bind \(address.withPort(port))") {
            SocketName.with(address, port, family, interface: interface) { Glibc.bind(number, $0, $1) }
        }
    }

    public func listen(backlog: Int32 = 128) throws { try call("listen") { Glibc.listen(number, backlog) } }

    /// - Throws: an error if the connection fails or nobody accepts it within 2 s.
    public func connect(_ address: IPAddress, _ port: UInt16) throws {
        var limit = timeval(tv_sec: 2, tv_usec: 0)
        setsockopt(number, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        try call("connect \(address.withPort(port))") {
            SocketName.with(address, port, family) { Glibc.connect(number, $0, $1) }
        }
    }

    /// One datagram.
    public func send(_ bytes: [UInt8], to address: IPAddress, _ port: UInt16) throws {
        try call("sendto \(address.withPort(port))") {
            Int32(SocketName.with(address, port, family) { sendto(number, bytes, bytes.count, 0, $0, $1) })
        }
    }

    /// All of the bytes, on a connection.
    public func write(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw LabError("send: errno \(errno)") }
            sent += count
        }
    }

    /// The queued datagrams with their sources.
    public func receiveWaiting() -> [(source: IPAddress, bytes: [UInt8])] {
        var received: [(IPAddress, [UInt8])] = []
        var bytes = [UInt8](repeating: 0, count: 65_536)
        while true {
            var name = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let count = withUnsafeMutableBytes(of: &name) { raw in
                recvfrom(
                    number, &bytes, bytes.count, Int32(MSG_DONTWAIT),
                    raw.baseAddress!.assumingMemoryBound(to: sockaddr.self), &length)
            }
            guard count >= 0 else { return received }
            received.append((SocketName.address(of: name).unmapped, Array(bytes[..<count])))
        }
    }

    /// Accepts and closes the pending connections, and returns their sources.
    public func acceptWaiting() -> [IPAddress] { acceptSessions().map(\.source) }

    /// Accepts the pending connections.
    public func acceptSessions() -> [(source: IPAddress, connection: InternetSocket)] {
        var sessions: [(IPAddress, InternetSocket)] = []
        while true {
            var wait = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
            guard poll(&wait, 1, 0) == 1 else { return sessions }
            var name = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let connection = withUnsafeMutableBytes(of: &name) { raw in
                accept(number, raw.baseAddress!.assumingMemoryBound(to: sockaddr.self), &length)
            }
            guard connection >= 0 else { return sessions }
            _ = fcntl(connection, F_SETFD, FD_CLOEXEC)
            sessions.append(
                (SocketName.address(of: name).unmapped, InternetSocket(accepted: connection, family: family)))
        }
    }

    /// Reads from a connection without blocking; nil if it was reset.
    public func readWaiting() -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = recv(number, &bytes, bytes.count, Int32(MSG_DONTWAIT))
        if count < 0, errno == EAGAIN { return [] }
        return count < 0 ? nil : Array(bytes[..<count])
    }

    private func call(_ operation: String, _ body: () -> Int32) throws {
        guard body() >= 0 else { throw LabError("\(operation): errno \(errno)") }
    }
}

/// sockaddr_in and sockaddr_in6.
enum SocketName {
    static func with<Result>(
        _ address: IPAddress, _ port: UInt16, _ family: Int32, interface: UInt32 = 0,
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        func bytes(_ words: UInt64...) -> [UInt8] {
            words.flatMap { word in
                stride(from: UInt64(56), through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> $0) }
            }
        }
        var raw: [UInt8]
        let portBytes = [UInt8(port >> 8), UInt8(truncatingIfNeeded: port)]
        switch (address, family) {
        case (.v4(let word), AF_INET):
            raw = [UInt8(AF_INET), 0] + portBytes + bytes(UInt64(word))[4...] + [UInt8](repeating: 0, count: 8)
        case (.v4(let word), _):
            raw =
                [UInt8(AF_INET6), 0] + portBytes + [0, 0, 0, 0] + bytes(0, 0xffff << 32 | UInt64(word)) + [0, 0, 0, 0]
        case (.v6(let high, let low), _):
            raw = [UInt8(AF_INET6), 0] + portBytes + [0, 0, 0, 0] + bytes(high, low)
            raw += withUnsafeBytes(of: interface) { Array($0) }
        }
        return raw.withUnsafeMutableBytes { buffer in
            body(UnsafePointer(buffer.baseAddress!.assumingMemoryBound(to: sockaddr.self)), socklen_t(buffer.count))
        }
    }

    static func address(of name: sockaddr_storage) -> IPAddress {
        withUnsafeBytes(of: name) { raw in
            func word(_ first: Int, _ count: Int) -> UInt64 {
                raw[first..<first + count].reduce(0) { $0 << 8 | UInt64($1) }
            }
            return Int32(name.ss_family) == AF_INET
                ? .v4(UInt32(truncatingIfNeeded: word(4, 4))) : .v6(word(8, 8), word(16, 8))
        }
    }
}
