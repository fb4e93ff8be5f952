/// An IPv4 or IPv6 address, in network byte order.
public enum IPAddress: Hashable, Sendable {
    case v4(UInt32)
    /// The upper and lower 64 bits.
    case v6(UInt64, UInt64)

    /// The address with an IPv4-mapped one as IPv4. A dual-stack socket shows an exporter that
    /// sends over IPv4 as `::ffff:a.b.c.d` (RFC 4291, 2.5.5.2): it is the same exporter.
    public var unmapped: IPAddress {
        if case .v6(0, let low) = self, low >> 32 == 0xffff {
            return .v4(UInt32(truncatingIfNeeded: low))
        }
        return self
    }

    /// The upper and lower 64 bits; for an IPv4 address, those of its IPv4-mapped form.
    package var words: (high: UInt64, low: UInt64) {
        switch self {
        case .v4(let word): (0, 0xffff << 32 | UInt64(word))
        case .v6(let high, let low): (high, low)
        }
    }

    package var isIPv4: Bool { if case .v4 = self { true } else { false } }

    public var isWildcard: Bool { self == .v4(0) || self == .v6(0, 0) }

    /// 127.0.0.0/8 (RFC 1122, 3.2.1.3) or ::1 (RFC 4291, 2.5.3).
    public var isLoopback: Bool {
        switch unmapped {
        case .v4(let word): word >> 24 == 127
        case .v6(let high, let low): high == 0 && low == 1
        }
    }

    /// 224.0.0.0/4 (RFC 5771) or ff00::/8 (RFC 4291, 2.7).
    public var isMulticast: Bool {
        switch unmapped {
        case .v4(let word): word >> 28 == 0xe
        case .v6(let high, _): high >> 56 == 0xff
        }
    }

    /// fe80::/10 (RFC 4291, 2.5.6): the kernel binds it only together with an interface.
    public var isIPv6LinkLocal: Bool {
        if case .v6(let high, _) = self { high >> 54 == 0xfe80 >> 6 } else { false }
    }

    /// `192.0.2.1:4739` or `[2001:db8::1]:4739`; with an interface, as ss(8) writes it: `0.0.0.0%eth0:4739`.
    public func withPort(_ port: UInt16, interface: String? = nil) -> String {
        let zone = interface.map { "%\($0)" } ?? ""
        return switch self {
        case .v4: "\(self)\(zone):\(port)"
        case .v6: "[\(self)\(zone)]:\(port)"
        }
    }
}

extension IPAddress: CustomStringConvertible {
    /// Canonical text, RFC 5952.
    public var description: String {
        switch self {
        case .v4(let address):
            return Self.dottedQuad(address)
        case .v6(0, let low) where low >> 32 == 0xffff:
            return "::ffff:" + Self.dottedQuad(UInt32(truncatingIfNeeded: low))
        case .v6(let high, let low):
            return Self.colonHex(
                (0..<8).map { UInt16(truncatingIfNeeded: ($0 < 4 ? high : low) >> (48 - 16 * ($0 % 4))) })
        }
    }

    private static func dottedQuad(_ address: UInt32) -> String {
        stride(from: 24, through: 0, by: -8).map { String(address >> UInt32($0) & 0xff) }
            .joined(separator: ".")
    }

    /// `::` replaces the longest run of two or more zero groups, the first one if equal.
    private static func colonHex(_ groups: [UInt16]) -> String {
        var longest = 0..<0
        var start = 0
        while start < groups.count {
            let end = groups[start...].firstIndex { $0 != 0 } ?? groups.count
            if end - start > max(1, longest.count) { longest = start..<end }
            start = max(end, start + 1)
        }
        func hex(_ part: ArraySlice<UInt16>) -> String {
            part.map { String($0, radix: 16) }.joined(separator: ":")
        }
        if longest.isEmpty { return hex(groups[...]) }
        return hex(groups[..<longest.lowerBound]) + "::" + hex(groups[longest.upperBound...])
    }
}

extension IPAddress: LosslessStringConvertible {
    /// Reads the text that inet_pton(3) reads: four decimal numbers without leading
    /// zeros, or an IPv6 address of RFC 4291, 2.2. No zone, no prefix length.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        if bytes.contains(UInt8(ascii: ":")) {
            guard let words = Self.parseIPv6(bytes[...]) else { return nil }
            func word(_ first: Int) -> UInt64 {
                words[first..<first + 4].reduce(0) { $0 << 16 | UInt64($1) }
            }
            self = .v6(word(0), word(4))
        } else {
            guard let address = Self.parseIPv4(bytes[...]) else { return nil }
            self = .v4(address)
        }
    }

    private static func parseIPv4(_ text: ArraySlice<UInt8>) -> UInt32? {
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var address: UInt32 = 0
        for part in parts {
            guard (1...3).contains(part.count), part.allSatisfy({ (48...57).contains($0) }),
                part.count == 1 || part.first != UInt8(ascii: "0"),
                let number = UInt8(String(decoding: part, as: UTF8.self))
            else { return nil }
            address = address << 8 | UInt32(number)
        }
        return address
    }

    private static func parseIPv6(_ text: ArraySlice<UInt8>) -> [UInt16]? {
        guard let gap = firstDoubleColon(in: text) else {
            guard let words = parseGroups(text), words.count == 8 else { return nil }
            return words
        }
        let tail = text[(gap + 2)...]
        guard firstDoubleColon(in: tail) == nil, let left = parseGroups(text[..<gap], mayEndInQuad: false),
            let right = parseGroups(tail), left.count + right.count < 8
        else { return nil }
        return left + Array(repeating: 0, count: 8 - left.count - right.count) + right
    }

    private static func firstDoubleColon(in text: ArraySlice<UInt8>) -> Int? {
        text.indices.dropLast().first {
            text[$0] == UInt8(ascii: ":") && text[$0 + 1] == UInt8(ascii: ":")
        }
    }

    /// Colon-separated groups, the last of which may be a dotted quad.
    private static func parseGroups(_ text: ArraySlice<UInt8>, mayEndInQuad: Bool = true) -> [UInt16]? {
        if text.isEmpty { return [] }
        let parts = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        var words: [UInt16] = []
        for (index, part) in parts.enumerated() {
            if mayEndInQuad, index == parts.count - 1, part.contains(UInt8(ascii: ".")) {
                guard let quad = parseIPv4(part) else { return nil }
                words += [UInt16(quad >> 16), UInt16(truncatingIfNeeded: quad)]
            } else {
                guard (1...4).contains(part.count), part.first != UInt8(ascii: "+"),
                    let word = UInt16(String(decoding: part, as: UTF8.self), radix: 16)
                else { return nil }
                words.append(word)
            }
        }
        return words
    }
}
