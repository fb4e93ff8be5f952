/// A multicast group that an interface of this host has joined, for whichever sockets: an entry of
/// /proc/net/igmp or /proc/net/igmp6.
public struct JoinedMulticast: Hashable, Sendable {
    public var address: IPAddress
    /// Index of the interface.
    public var interface: Int32

    public init(_ address: IPAddress, interface: Int32) { (self.address, self.interface) = (address, interface) }

    /// The groups of /proc/net/igmp that sockets have joined: without 224.0.0.1, to which each interface belongs.
    ///
    /// A line for each interface starts with its index. An indented line for each of its groups follows, which
    /// starts with the address: 8 hexadecimal digits in the byte order of the host, `010000E0` for 224.0.0.1 on a
    /// little-endian one.
    public static func all(inIGMP text: String) -> [JoinedMulticast] {
        var interface: Int32?
        return text.split(separator: "\n").compactMap { line in
            let words = line.split(whereSeparator: \.isWhitespace)
            guard let first = line.first, let word = words.first else { return nil }
            guard first.isWhitespace else {
                interface = Int32(word)
                return nil
            }
            guard let interface, word.count == 8, let raw = UInt32(word, radix: 16) else { return nil }
            return JoinedMulticast(.v4(UInt32(bigEndian: raw)), interface: interface)
        }.filter { !$0.isOfEveryInterface }
    }

    /// The groups of /proc/net/igmp6 that sockets have joined: without those to which each interface belongs for
    /// itself and its addresses.
    ///
    /// A line for each group starts with the interface's index, its name, and the address: 32 hexadecimal digits in
    /// network byte order.
    public static func all(inIGMP6 text: String) -> [JoinedMulticast] {
        text.split(separator: "\n").compactMap { line in
            let words = line.split(whereSeparator: \.isWhitespace)
            guard words.count > 2, let interface = Int32(words[0]), words[2].count == 32,
                let high = UInt64(words[2].prefix(16), radix: 16), let low = UInt64(words[2].suffix(16), radix: 16)
            else { return nil }
            return JoinedMulticast(.v6(high, low), interface: interface)
        }.filter { !$0.isOfEveryInterface }
    }

    /// All-systems (RFC 1112, 4); all nodes and solicited nodes (RFC 4291, 2.7.1). The kernel joins them by itself.
    private var isOfEveryInterface: Bool {
        switch address {
        case .v4(let word): word == 0xe000_0001
        case .v6(0xff01_0000_0000_0000, 1), .v6(0xff02_0000_0000_0000, 1): true
        case .v6(let high, let low): high == 0xff02_0000_0000_0000 && low >> 24 == 0x1ff
        }
    }

    /// Whether the kernel would give the socket what is sent to the group: a socket that is bound to an address of
    /// the host receives no multicast, whatever it joins.
    public func canReach(_ socket: SocketFacts) -> Bool {
        guard socket.kind == .udp, socket.address.isWildcard else { return false }
        return switch (address, socket.address) {
        case (.v4, _): !socket.ipv6Only
        case (.v6, .v6): true
        case (.v6, .v4): false
        }
    }
}
