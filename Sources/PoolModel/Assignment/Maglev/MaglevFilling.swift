/// The order in which a candidate tries the rows of a Maglev table: offset,
/// offset + skip, offset + 2 * skip and so on, modulo the table's size. With a
/// prime size and a skip of 1 … size - 1, that is every row once.
struct MaglevPermutation: Equatable {
    /// The candidate's number in the filled table.
    package let candidate: UInt16
    /// The row that the candidate tries first.
    package let offset: Int
    let skip: Int
    /// At least 1.
    package var weight: UInt64 = 1
}

/// Fills a lookup table (Eisenbud et al., "Maglev: a fast and reliable
/// software network load balancer", NSDI 2016, section 3.4, pseudocode 1):
/// candidates take turns, and at each turn one gets the first free row in its
/// order. With equal weights, the numbers of turns differ by at most one; a higher
/// weight gives more turns.
enum MaglevFilling {
    /// Rows of the largest table.
    static let largestTable = 1 << 30

    /// The owner of each row.
    ///
    /// - Parameters:
    ///   - tableSize: a prime.
    ///   - permutations: at least one; they take turns in this order.
    package static func owners(tableSize: Int, among permutations: [MaglevPermutation]) -> [UInt16] {
        precondition(tableSize <= largestTable && !permutations.isEmpty)
        let heaviest = permutations.reduce(0) { max($0, $1.weight) }
        var turns = permutations.map { Turn($0, tableSize: tableSize) }
        return [UInt16](unsafeUninitializedCapacity: tableSize) { owners, filled in
            turns.withUnsafeMutableBufferPointer { turns in
                var taken = TakenRows(tableSize: tableSize)
                while true {
                    for index in turns.indices where turns[index].isDue(heaviest: heaviest) {
                        let row = taken.takeFirst(of: &turns[index])
                        owners[row] = turns[index].candidate
                        filled &+= 1
                        if filled == tableSize { return }
                    }
                }
            }
        }
    }
}

/// A candidate's progress.
private struct Turn {
    let candidate: UInt16
    private let weight: UInt64
    /// Weight gathered since its last turn.
    private var credit: UInt64 = 0
    /// The last row that the candidate got; the next one to try is one to four skips ahead.
    var row: UInt32
    let skips: (UInt32, UInt32, UInt32, UInt32)

    init(_ permutation: MaglevPermutation, tableSize: Int) {
        candidate = permutation.candidate
        weight = permutation.weight
        let skip = permutation.skip
        func modulo(_ row: Int) -> UInt32 { UInt32(row % tableSize) }
        row = modulo(permutation.offset + tableSize - skip)
        skips = (modulo(skip), modulo(2 * skip), modulo(3 * skip), modulo(4 * skip))
    }

    /// Called once in each round: the candidate with the highest weight is due in every round, one
    /// with half its weight in every other. In n rounds a candidate is due n * weight / highest times.
    @inline(__always)
    mutating func isDue(heaviest: UInt64) -> Bool {
        credit &+= weight
        if credit < heaviest { return false }
        credit &-= heaviest
        return true
    }
}

/// A bit for each row that has an owner.
private struct TakenRows: ~Copyable {
    private let tableSize: UInt32
    private let bits: UnsafeMutablePointer<UInt64>

    init(tableSize: Int) {
        self.tableSize = UInt32(tableSize)
        let words = tableSize / 64 + 1
        bits = .allocate(capacity: words)
        bits.initialize(repeating: 0, count: words)
    }

    deinit { bits.deallocate() }

    /// Moves the turn to the next free row and takes it; one must be free.
    ///
    /// Four rows at a time, without branches among them: candidates try the last free rows of a
    /// table thousands of times, and a test that waits for the previous one takes most of
    /// the time.
    @inline(__always)
    mutating func takeFirst(of turn: inout Turn) -> Int {
        var row = turn.row
        while true {
            let first = advanced(row, by: turn.skips.0)
            let second = advanced(row, by: turn.skips.1)
            let third = advanced(row, by: turn.skips.2)
            let fourth = advanced(row, by: turn.skips.3)
            let free = bit(first) | bit(second) << 1 | bit(third) << 2 | bit(fourth) << 3
            if free != 0 {
                let steps = free.trailingZeroBitCount
                let (even, odd) = steps < 2 ? (first, second) : (third, fourth)
                row = steps & 1 == 0 ? even : odd
                break
            }
            row = fourth
        }
        bits[Int(row >> 6)] |= 1 << UInt64(row & 63)
        turn.row = row
        return Int(row)
    }

    @inline(__always)
    private func advanced(_ row: UInt32, by skip: UInt32) -> UInt32 {
        // The lower of the two: the difference wraps around where it would be negative.
        min(row &+ skip, row &+ skip &- tableSize)
    }

    /// 1 if the row is free.
    @inline(__always)
    private func bit(_ row: UInt32) -> UInt64 { ~(bits[Int(row >> 6)] >> UInt64(row & 63)) & 1 }
}
