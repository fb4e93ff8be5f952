/// The contenders for one Maglev table, numbered in the order of their names.
struct MaglevField {
    let tableSize: Int
    private let slots: [Slot]
    private let permutations: [MaglevPermutation]

    /// - Parameters:
    ///   - contenders: fewer than 65,536.
    ///   - tableSize: a prime.
    ///   - permutation: of a contender with this number in a table of this size.
    init(
        _ contenders: [Contender], tableSize: Int,
        permutation: (_ of: Contender, _ number: Int, _ tableSize: Int) -> MaglevPermutation
    ) {
        precondition(Maglev.isPrime(tableSize), "a Maglev table has a prime number of rows, not \(tableSize)")
        let contenders = contenders.sorted { $0.name < $1.name }
        precondition(contenders.count <= MaglevAbsence.nobody)
        self.tableSize = tableSize
        slots = contenders.map(\.slot)
        permutations = contenders.enumerated().map { permutation($0.element, $0.offset, tableSize) }
    }

    /// The table's owners, by number, as if some were not there.
    func owners(without absence: MaglevAbsence) -> [UInt16] {
        MaglevFilling.owners(
            tableSize: tableSize, among: permutations.filter { !absence.contains($0.contender) })
    }

    /// - Parameters:
    ///   - ranks: numbers of the first ones.
    ///   - others: fills the ranks that are left, without naming anyone twice.
    func row(_ ranks: [UInt16], then others: BucketRow?) -> BucketRow {
        let exact = ranks.map { slots[Int($0)] }
        guard let others else { return BucketRow(ranks: exact) }
        return BucketRow(ranks: exact + others.ranks.filter { !exact.contains($0) })
    }
}

/// Up to three contenders that a table is built without, in any order.
struct MaglevAbsence: Hashable {
    static let nobody: UInt16 = 0xffff
    private let lowest: UInt16
    private let middle: UInt16
    private let highest: UInt16

    init(_ contenders: some Sequence<UInt16>) {
        var (low, mid, high) = (Self.nobody, Self.nobody, Self.nobody)
        for contender in contenders {
            high = min(high, max(mid, contender))
            mid = min(mid, max(low, contender))
            low = min(low, contender)
        }
        (lowest, middle, highest) = (low, mid, high)
    }

    func contains(_ contender: UInt16) -> Bool {
        contender == lowest || contender == middle || contender == highest
    }
}
