/// The ranked slots of one bucket, in the one word that the program loads: rank r
/// is the 10 bits from bit 10 r on, 0x3ff if there is no such rank. The program uses
/// the bits above the ranks; they are no part of the value.
public struct BucketRow: Equatable, Hashable, Sendable {
    /// Number of ranks in a row (RPA_RANKS).
    public static let capacity = 4
    /// Allowed number of rows in a pool's table.
    public static let defaultTableSize = 65_536
    /// The minimum and maximum number of rows.
    public static let tableSizes = 256...1_048_576
    private static let rankBits = 10
    static let noSlot: UInt16 = 0x3ff
    /// The bits of all ranks.
    public static let rankMask: UInt64 = 1 << UInt64(capacity * rankBits) - 1

    public let word: UInt64

    public init(word: UInt64) { self.word = word & Self.rankMask }

    /// The slots of all ranks, or `noSlot`.
    @inline(__always)
    package init(_ first: UInt64, _ second: UInt64, _ third: UInt64, _ fourth: UInt64) {
        word = first | second << 10 | third << 20 | fourth << 30
    }

    /// The first `capacity` of the slots.
    public init(ranks: some Sequence<Slot>) {
        var word = Self.rankMask
        for (rank, slot) in ranks.prefix(Self.capacity).enumerated() {
            word &= ~(UInt64(Self.noSlot) << UInt64(Self.rankBits * rank))
            word |= UInt64(slot.index) << UInt64(Self.rankBits * rank)
        }
        self.word = word
    }

    /// Nil if the row has no such rank. Ranks count from 0.
    public subscript(rank: Int) -> Slot? {
        guard rank < Self.capacity else { return nil }
        let index = UInt16(truncatingIfNeeded: word >> UInt64(Self.rankBits * rank)) & Self.noSlot
        return index == Self.noSlot ? nil : Slot(index)
    }

    /// Best first; the first slot owns the bucket.
    public var ranks: [Slot] { (0..<Self.capacity).compactMap { self[$0] } }

    public var owner: Slot? { self[0] }

    /// The row with this slot as its first rank, and the others after it in their order.
    public func putting(first slot: Slot) -> BucketRow {
        BucketRow(ranks: [slot] + ranks.filter { $0 != slot })
    }

    public func without(_ slots: Set<Slot>) -> BucketRow {
        slots.isEmpty || !ranks.contains(where: slots.contains)
            ? self : BucketRow(ranks: ranks.filter { !slots.contains($0) })
    }
}
