/// The keyed hash of an exporter's address; bpf/sk_reuseport.c computes the same.
///
/// Four 32-bit words of the address, each times a 64-bit key, summed with a
/// fifth key: the multilinear family, whose upper half is strongly universal
/// (Lemire and Kaser, "Strongly universal string hashing is fast", The Computer
/// Journal 57(11), 2014). So for a random seed two addresses share the upper 32
/// bits with probability 2^-32, however they are structured. Mix13 after it
/// gives what a linear sum lacks: avalanche.
///
/// An IPv4 address is hashed in its IPv4-mapped form: both are one exporter.
public struct ExporterHash: Equatable, Sendable {
    /// The sum's constant, and the factors of the words from the most significant on.
    public let keys: [UInt64]

    public init(seed: String) {
        var stream = SeededKeys(seed: seed)
        keys = (0..<5).map { _ in stream.next() }
    }

    public func callAsFunction(_ address: IPAddress) -> UInt64 {
        let (high, low): (UInt64, UInt64) =
            switch address {
            case .v4(let word): (0, 0xffff << 32 | UInt64(word))
            case .v6(let high, let low): (high, low)
            }
        return mix13(
            keys[0] &+ keys[1] &* (high >> 32) &+ keys[2] &* (high & 0xffff_ffff)
                &+ keys[3] &* (low >> 32) &+ keys[4] &* (low & 0xffff_ffff))
    }

    /// The upper half of the hash, scaled to 0 … tableSize - 1: no division, and
    /// any table size (Lemire, "Fast random integer generation in an interval", 2019).
    public func bucket(of address: IPAddress, tableSize: Int) -> Bucket {
        Bucket(UInt32(truncatingIfNeeded: ((self(address) >> 32) &* UInt64(tableSize)) >> 32))
    }
}
