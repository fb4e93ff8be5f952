/// A contender's offer for one bucket, in a word that orders as the offer does:
/// 48 bits of its cost, and 16 that say whose it is.
struct Bid: Equatable {
    /// Contenders that a bid can tell apart, numbers 0 … 65,534.
    static let capacity = 0xffff
    /// Behind every bid.
    static let none = Bid(word: .max)

    let word: UInt64

    /// - Parameter cost: its upper 48 bits count.
    @inline(__always)
    init(cost: UInt64, contender: Int) {
        word = cost & ~0xffff | UInt64(truncatingIfNeeded: contender)
    }

    private init(word: UInt64) { self.word = word }

    var contender: Int { Int(truncatingIfNeeded: word & 0xffff) }

    /// Whether the costs, of which each may be off by 1 of its last bit, leave
    /// the order of the two open.
    @inline(__always)
    func isClose(to next: Bid) -> Bool {
        (next.word >> 16) &- (word >> 16) <= 1 && word != next.word
    }
}
