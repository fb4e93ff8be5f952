/// The addresses that share their first bits (CIDR, RFC 4632 and RFC 4291, 2.3).
/// A single address is a prefix of its full length.
///
/// IPv4 prefixes are in IPv4-mapped form: `192.0.2.0/24` is `::ffff:192.0.2.0/120`.
public struct AddressPrefix: Hashable, Sendable {
    /// The upper and lower 64 bits; those beyond the length are zero.
    public let high: UInt64
    public let low: UInt64
    /// Length of the IPv6 form, 0 … 128; 96 … 128 for IPv4.
    public let length: Int
    public let isIPv4: Bool

    public init(_ address: IPAddress) {
        switch address.unmapped {
        case .v4(let word): self.init(high: 0, low: 0xffff << 32 | UInt64(word), length: 128, isIPv4: true)
        case .v6(let high, let low): self.init(high: high, low: low, length: 128, isIPv4: false)
        }
    }

    /// The only address that the prefix covers; nil: it covers several.
    public var address: IPAddress? {
        guard length == 128 else { return nil }
        return isIPv4 ? .v4(UInt32(truncatingIfNeeded: low)) : .v6(high, low)
    }

    private init(high: UInt64, low: UInt64, length: Int, isIPv4: Bool) {
        self.high = high
        self.low = low
        self.length = length
        self.isIPv4 = isIPv4
    }

    /// The prefix shortened to this length of the IPv6 form, at most its own.
    public func cut(to length: Int) -> AddressPrefix {
        AddressPrefix(
            high: Self.leadingBits(high, length), low: Self.leadingBits(low, length - 64), length: length,
            isIPv4: isIPv4)
    }

    public func covers(_ other: AddressPrefix) -> Bool {
        isIPv4 == other.isIPv4 && length <= other.length && other.cut(to: length) == self
    }

    private static func leadingBits(_ word: UInt64, _ count: Int) -> UInt64 {
        count >= 64 ? word : count <= 0 ? 0 : word & ~0 << UInt64(64 - count)
    }
}

extension AddressPrefix {
    /// Why a text isn't a prefix.
    public enum ParseError: Error, Equatable {
        case notAPrefix
        /// The address has bits beyond the length; the value is the prefix without them.
        case hasHostBits(AddressPrefix)
    }

    /// Reads `192.0.2.1`, `192.0.2.0/24`, `2001:db8::/32`. An IPv4-mapped IPv6
    /// prefix of at least 96 bits is the IPv4 prefix.
    public init(parsing text: String) throws(ParseError) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPAddress(String(parts[0])) else { throw .notAPrefix }
        let full = AddressPrefix(address)
        guard parts.count == 2 else {
            self = full
            return
        }
        let digits = parts[1]
        guard let number = Int(digits), String(number) == digits else { throw .notAPrefix }
        let length: Int
        switch address {
        case .v4:
            guard (0...32).contains(number) else { throw .notAPrefix }
            length = 96 + number
        case .v6:
            guard ((full.isIPv4 ? 96 : 0)...128).contains(number) else { throw .notAPrefix }
            length = number
        }
        let cut = full.cut(to: length)
        guard cut.high == full.high, cut.low == full.low else { throw .hasHostBits(cut) }
        self = cut
    }
}

extension AddressPrefix: CustomStringConvertible {
    /// Canonical text; a single address has no length.
    public var description: String {
        let address: IPAddress = isIPv4 ? .v4(UInt32(truncatingIfNeeded: low)) : .v6(high, low)
        return length == 128 ? "\(address)" : "\(address)/\(isIPv4 ? length - 96 : length)"
    }
}

extension AddressPrefix: Comparable {
    /// By family, then by address, then by length: each prefix comes before those
    /// that it covers.
    public static func < (left: AddressPrefix, right: AddressPrefix) -> Bool {
        if left.isIPv4 != right.isIPv4 { return left.isIPv4 }
        if left.high != right.high { return left.high < right.high }
        if left.low != right.low { return left.low < right.low }
        return left.length < right.length
    }
}
