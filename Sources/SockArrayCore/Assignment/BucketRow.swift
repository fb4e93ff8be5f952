/// The ranked slots of one bucket, in the one word that the program loads:
/// rank r is the 16 bits from bit 16 r on, 0xffff where there is no such rank.
public struct BucketRow: Equatable, Sendable {
    /// Ranks that a row has room for (RPA_RANKS).
    public static let capacity = 4
    /// Rows of a pool's table.
    public static let defaultTableSize = 65_536
    static let noSlot: UInt16 = 0xffff

    public let word: UInt64

    public init(word: UInt64) { self.word = word }

    /// The first `capacity` of the slots.
    public init(ranks: some Sequence<Slot>) {
        var word = UInt64.max
        for (rank, slot) in ranks.prefix(Self.capacity).enumerated() {
            word &= ~(0xffff << UInt64(16 * rank))
            word |= UInt64(slot.index) << UInt64(16 * rank)
        }
        self.word = word
    }

    /// Best first; the first one owns the bucket.
    public var ranks: [Slot] {
        (0..<Self.capacity)
            .map { UInt16(truncatingIfNeeded: word >> UInt64(16 * $0)) }
            .prefix { $0 != Self.noSlot }
            .map(Slot.init)
    }

    public var owner: Slot? { ranks.first }
}
