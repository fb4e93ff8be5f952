/// The candidates for one Maglev table, numbered in the order of their names.
struct MaglevField {
    package let tableSize: Int
    private let slots: [Slot]
    private let permutations: [MaglevPermutation]

    /// - Parameters:
    ///   - candidates: fewer than 65,536.
    ///   - tableSize: a prime.
    ///   - seed: keys the candidates' names.
    package init(_ candidates: [WeightedCollector], tableSize: Int, seed: String) {
        precondition(Maglev.isPrime(tableSize), "a Maglev table has a prime number of rows, not \(tableSize)")
        let candidates = candidates.sorted { $0.name < $1.name }
        precondition(candidates.count <= MaglevAbsence.nobody)
        self.tableSize = tableSize
        slots = candidates.map(\.slot)
        var stream = SeededKeys(seed: "maglev " + seed)
        let (offsetKey, skipKey) = (stream.next(), stream.next())
        permutations = candidates.enumerated().map { number, candidate in
            let offset = SeededKeys.fold(candidate.name, into: offsetKey) % UInt64(tableSize)
            let skip = SeededKeys.fold(candidate.name, into: skipKey) % UInt64(tableSize - 1) + 1
            return MaglevPermutation(
                candidate: UInt16(number), offset: Int(offset), skip: Int(skip), weight: UInt64(candidate.weight))
        }
    }

    /// The table's owners, by number, without some candidates.
    package func owners(without absence: MaglevAbsence) -> [UInt16] {
        MaglevFilling.owners(
            tableSize: tableSize, among: permutations.filter { !absence.contains($0.candidate) })
    }

    /// - Parameters:
    ///   - ranks: numbers of the first candidates.
    ///   - others: fills the remaining ranks, without a candidate twice.
    package func row(_ ranks: [UInt16], then others: BucketRow?) -> BucketRow {
        let exact = ranks.map { slots[Int($0)] }
        guard let others else { return BucketRow(ranks: exact) }
        return BucketRow(ranks: exact + others.ranks.filter { !exact.contains($0) })
    }
}

/// Up to three candidates that a table is built without, in any order.
struct MaglevAbsence: Hashable {
    package static let nobody: UInt16 = 0xffff
    private let lowest: UInt16
    private let middle: UInt16
    private let highest: UInt16

    package init(_ candidates: some Sequence<UInt16>) {
        var (low, mid, high) = (Self.nobody, Self.nobody, Self.nobody)
        for candidate in candidates {
            high = min(high, max(mid, candidate))
            mid = min(mid, max(low, candidate))
            low = min(low, candidate)
        }
        (lowest, middle, highest) = (low, mid, high)
    }

    package func contains(_ candidate: UInt16) -> Bool {
        candidate == lowest || candidate == middle || candidate == highest
    }
}
