/// The 64-bit finalizer "Mix13" of Stafford, as SplitMix uses it (Steele, Lea,
/// Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014): a
/// bijection in which every output bit depends on every input bit.
@inline(__always)
package func mix13(_ word: UInt64) -> UInt64 {
    var word = word
    word = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
    return word ^ word >> 31
}

/// The keys derived from a pool's seed: the same on every host and in every release.
///
/// A SplitMix64 stream (same paper). Its start is the seed's UTF-8 bytes,
/// folded eight at a time. Its words key the exporter hash and the assignment.
struct SeededKeys {
    private var state: UInt64

    package init(seed: String) { state = Self.fold(seed, into: 0) }

    /// The next word of the stream.
    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        return mix13(state)
    }

    /// One word for a text of any length; it depends on the length and on each byte.
    static func fold(_ text: String, into start: UInt64) -> UInt64 {
        var folded = mix13(start &+ UInt64(text.utf8.count))
        var word: UInt64 = 0
        for (index, byte) in text.utf8.enumerated() {
            word = word << 8 | UInt64(byte)
            if index % 8 == 7 {
                folded = mix13(folded ^ word) &+ 0x9e37_79b9_7f4a_7c15
                word = 0
            }
        }
        return mix13(folded ^ word)
    }
}
