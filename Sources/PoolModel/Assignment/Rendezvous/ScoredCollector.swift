/// A candidate's score for one bucket, in a word with the same order as the scores: 48 bits of the
/// cost, and 16 bits of the candidate's number.
struct ScoredCollector: Equatable {
    /// Number of candidates that a word can name, 0 … 65,534.
    package static let capacity = 0xffff
    /// Orders after every score.
    package static let none = ScoredCollector(word: .max)

    package let word: UInt64

    /// - Parameter cost: only its upper 48 bits count.
    @inline(__always)
    package init(cost: UInt64, candidate: Int) {
        word = cost & ~0xffff | UInt64(truncatingIfNeeded: candidate)
    }

    private init(word: UInt64) { self.word = word }

    package var candidate: Int { Int(truncatingIfNeeded: word & 0xffff) }

    /// Whether the order of the two is undecided, because the last bit of each cost can be
    /// off by 1.
    @inline(__always)
    func isClose(to next: ScoredCollector) -> Bool {
        (next.word >> 16) &- (word >> 16) <= 1 && word != next.word
    }
}
