/// The keyed hash of an exporter's address; bpf/sk_reuseport.c computes the same.
///
/// Four 32-bit words of the address, each times a 64-bit key, summed with a
/// fifth key: the multilinear family, whose upper half is strongly universal
/// (Lemire and Kaser, "Strongly universal string hashing is fast", The Computer
/// Journal 57(11), 2014). For a random seed, any two addresses share the upper 32
/// bits with probability 2^-32. Mix13 follows, because a linear sum has no
/// avalanche.
///
/// An IPv4 address is hashed in its IPv4-mapped form: both are one exporter.
public struct ExporterHash: Equatable, Sendable {
    /// The sum's constant, the factors of the words from the most significant one,
    /// and the factor of a prefix's missing bits.
    public let keys: [UInt64]
    private let nameKey: UInt64

    public init(seed: String) {
        var stream = SeededKeys(seed: seed)
        keys = (0..<6).map { _ in stream.next() }
        nameKey = stream.next()
    }

    public func callAsFunction(_ address: IPAddress) -> UInt64 { self(AddressPrefix(address)) }

    /// The hash of a prefix; for a full-length prefix, the hash of the address.
    public func callAsFunction(_ prefix: AddressPrefix) -> UInt64 {
        mix13(
            keys[0] &+ keys[1] &* (prefix.high >> 32) &+ keys[2] &* (prefix.high & 0xffff_ffff)
                &+ keys[3] &* (prefix.low >> 32) &+ keys[4] &* (prefix.low & 0xffff_ffff)
                &+ keys[5] &* UInt64(128 - prefix.length))
    }

    /// The hash of a configured exporter: its name identifies it, whatever its addresses.
    public func callAsFunction(name: String) -> UInt64 { SeededKeys.fold(name, into: nameKey) }

    public func bucket(of address: IPAddress, tableSize: Int) -> Bucket {
        Self.bucket(of: self(address), tableSize: tableSize)
    }

    /// The upper half of the hash, scaled to 0 … tableSize - 1 without a division, for
    /// any table size (Lemire, "Fast random integer generation in an interval", 2019).
    package static func bucket(of hash: UInt64, tableSize: Int) -> Bucket {
        Bucket(UInt32(truncatingIfNeeded: ((hash >> 32) &* UInt64(tableSize)) >> 32))
    }

    /// Distinguishes seeds: pinned with a table, and compared when the table is adopted.
    var fingerprint: UInt64 { keys.reduce(0) { mix13($0 ^ $1) } }
}
