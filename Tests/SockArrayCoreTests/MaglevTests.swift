import Testing

@testable import PoolModel

@Suite struct MaglevTests {
    private static func candidates(_ count: Int) -> [WeightedCollector] {
        (0..<count).map { WeightedCollector(name: "c\($0)", slot: Slot(UInt16($0))) }
    }

    private static func table(_ candidates: [WeightedCollector], size: Int) -> [BucketRow] {
        Maglev(seed: "test").table(of: candidates, tableSize: size)
    }

    /// Without the ranks, which take most of the time.
    private static func owners(_ candidates: [WeightedCollector], size: Int) -> [Slot] {
        let slots = candidates.sorted { $0.name < $1.name }.map(\.slot)
        return MaglevField(candidates, tableSize: size, seed: "test").owners(without: MaglevAbsence([]))
            .map { slots[Int($0)] }
    }

    /// Table 1 of the paper; by hand: B0 wants 3, 0, 4, 1, 5, 2, 6, B1 wants
    /// 0, 2, 4, 6, 1, 3, 5, and B2 wants 3, 4, 5, 6, 0, 1, 2.
    @Test func `the paper's table of 7 rows, before and after B1 is removed`() {
        let backends = [
            MaglevPermutation(candidate: 0, offset: 3, skip: 4), MaglevPermutation(candidate: 1, offset: 0, skip: 2),
            MaglevPermutation(candidate: 2, offset: 3, skip: 1),
        ]
        #expect(MaglevFilling.owners(tableSize: 7, among: backends) == [1, 0, 1, 0, 2, 2, 0])
        #expect(MaglevFilling.owners(tableSize: 7, among: [backends[0], backends[2]]) == [0, 0, 0, 0, 2, 2, 2])
    }

    /// By hand: B0 of weight 2 has turns 1, 2, 3, 4, B1 of weight 1 has 2 and 4.
    @Test func `half the weight gets a turn in every second round`() {
        let backends = [
            MaglevPermutation(candidate: 0, offset: 3, skip: 4, weight: 2),
            MaglevPermutation(candidate: 1, offset: 0, skip: 2, weight: 1),
        ]
        #expect(MaglevFilling.owners(tableSize: 7, among: backends) == [0, 0, 1, 0, 0, 0, 1])
    }

    /// Worked out by another program from the paper's pseudocode.
    @Test func `rows are the same on every host and release, c4 of weight 1 and of weight 2`() {
        func ranks(_ count: Int, weight: Int = 1, size: Int) -> [[UInt16]] {
            let candidates = (1...count).map { index in
                WeightedCollector(name: "c\(index)", weight: index == 4 ? weight : 1, slot: Slot(UInt16(index - 1)))
            }
            return Maglev(seed: PoolConfiguration.defaultSeed).table(of: candidates, tableSize: size)
                .map { $0.ranks.map(\.index) }
        }
        #expect(
            ranks(4, size: 13) == [
                [2, 3, 0, 1], [0, 1, 2, 3], [3, 2, 1, 0], [3, 0, 1, 2], [0, 2, 1, 3], [3, 1, 2, 0], [1, 2, 0, 3],
                [2, 0, 3, 1], [0, 3, 2, 1], [2, 3, 0, 1], [0, 1, 2, 3], [1, 2, 3, 0], [1, 0, 2, 3],
            ])
        #expect(
            ranks(4, weight: 2, size: 13) == [
                [2, 3, 0, 1], [0, 3, 1, 2], [3, 2, 1, 0], [3, 0, 1, 2], [0, 1, 3, 2], [3, 1, 2, 0], [1, 2, 0, 3],
                [2, 3, 0, 1], [1, 3, 0, 2], [3, 1, 0, 2], [0, 2, 1, 3], [3, 2, 1, 0], [1, 3, 2, 0],
            ])
        // Ranks 3 and 4 of 30 candidates are Rendezvous's.
        #expect(ranks(30, size: 101)[..<3] == [[10, 13, 3, 6], [6, 16, 25, 26], [13, 14, 12, 19]])
    }

    /// Over 50 other seeds: 0.11 % to 0.58 %, 0.19 % in the median.
    @Test func `whichever 1 of 8 leaves, at most 0.3 % of 65,537 rows move between others`() {
        let before = Self.owners(Self.candidates(8), size: 65_537)
        for gone in Self.candidates(8) {
            let after = Self.owners(Self.candidates(8).filter { $0 != gone }, size: 65_537)
            let moved = zip(before, after).count { $0 != $1 && $0 != gone.slot }
            #expect(Double(moved) <= 0.003 * 65_537)
        }
    }

    @Test(arguments: [2, 3, 8, 13, 28, 100])
    func `rank 2 is the owner in the table without rank 1, 2 to 100 collectors, any weights`(_ count: Int) {
        var generator = SplitMix(state: UInt64(count))
        for heaviest in [1, 10] {
            let all = [WeightedCollector].random(count, upTo: heaviest, using: &generator)
            let rows = Self.table(all, size: 257)
            for gone in Set(rows.map { $0.ranks[0] }) {
                let without = Self.owners(all.filter { $0.slot != gone }, size: 257)
                for (row, owner) in zip(rows, without) where row.owner == gone { #expect(row.ranks[1] == owner) }
            }
        }
    }

    @Test(arguments: [1, 3]) func `ranks 3 and 4 of 8 are owners in the tables without those before`(heaviest: Int) {
        var generator = SplitMix(state: 8)
        let all = [WeightedCollector].random(8, upTo: heaviest, using: &generator)
        let rows = Self.table(all, size: 1_009)
        for rank in 2...3 {
            var tables: [Set<Slot>: [Slot]] = [:]
            for (index, row) in rows.enumerated() {
                let gone = Set(row.ranks[..<rank])
                let table = tables[gone] ?? Self.owners(all.filter { !gone.contains($0.slot) }, size: 1_009)
                tables[gone] = table
                #expect(row.ranks[rank] == table[index])
            }
        }
    }

    @Test func `tables decide 4 ranks of 13 collectors, 3 of 27, 2 of 256`() {
        #expect([0, 1, 2, 3, 4, 13].map(Maglev.exactRanks) == [0, 1, 2, 3, 4, 4])
        #expect([14, 27, 28, 256].map(Maglev.exactRanks) == [3, 3, 2, 2])
    }

    @Test(arguments: [1, 2, 3, 8, 14, 28, 256])
    func `ranks are distinct, as many as there are collectors, 4 at most`(_ count: Int) {
        var generator = SplitMix(state: 9)
        // Of 256 collectors, 5 find no row.
        for row in Self.table(.random(count, using: &generator), size: 251) {
            #expect(row.ranks.count == min(count, 4))
            #expect(Set(row.ranks).count == row.ranks.count)
        }
    }

    @Test func `without collectors all ranks are empty`() {
        #expect(Self.table([], size: 7) == Array(repeating: BucketRow(word: .max), count: 7))
        #expect(
            Maglev(seed: "test").row(of: Bucket(3), among: [], tableSize: 7) == BucketRow(word: .max))
    }

    @Test func `with 256 collectors and 2 rows, 2 collectors own one each`() {
        let rows = Self.table(Self.candidates(256), size: 2)
        #expect(Set(rows.map(\.owner)).count == 2)
    }

    @Test(arguments: [1, 8, 20, 40])
    func `the order of the list doesn't matter`(_ count: Int) {
        var generator = SplitMix(state: UInt64(count))
        let all = [WeightedCollector].random(count, using: &generator)
        #expect(Self.table(all.shuffled(using: &generator), size: 257) == Self.table(all, size: 257))
    }

    @Test(arguments: [1, 3, 8, 20, 40, 256])
    func `a single row equals that of the table`(_ count: Int) {
        var generator = SplitMix(state: UInt64(count))
        let all = [WeightedCollector].random(count, using: &generator)
        let rows = Self.table(all, size: 257)
        for index in stride(from: 0, to: 257, by: 32) {
            let row = Maglev(seed: "test").row(of: Bucket(UInt32(index)), among: all, tableSize: 257)
            #expect(row == rows[index])
        }
    }

    @Test(arguments: [1, 2, 8, 100, 256])
    func `with equal weights the numbers of rows differ by at most 1`(_ count: Int) {
        var generator = SplitMix(state: UInt64(count))
        let owned = Self.rowsOwned([WeightedCollector].random(count, upTo: 1, using: &generator), size: 4_099)
        #expect(owned.count == count)
        #expect(owned.values.max()! - owned.values.min()! <= 1)
    }

    @Test func `weights 1, 2 and 4 own 1, 2 and 4 sevenths of the rows within 1 %`() {
        let weighted = [1, 2, 4].enumerated().map {
            WeightedCollector(name: "w\($0.offset)", weight: $0.element, slot: Slot(UInt16($0.offset)))
        }
        let owned = Self.rowsOwned(weighted, size: 4_099)
        for candidate in weighted {
            let share = 4_099 * Double(candidate.weight) / 7
            #expect(abs(Double(owned[candidate.slot]!) - share) < 0.01 * share)
        }
    }

    @Test(arguments: [2, 8, 50, 256])
    func `random weights 1 to 10 own their shares of 16,411 rows, give or take 2 rows`(_ count: Int) {
        var generator = SplitMix(state: UInt64(count))
        let all = [WeightedCollector].random(count, using: &generator)
        let total = Double(all.reduce(0) { $0 + $1.weight })
        let owned = Self.rowsOwned(all, size: 16_411)
        for candidate in all {
            #expect(abs(Double(owned[candidate.slot]!) - 16_411 * Double(candidate.weight) / total) <= 2)
        }
    }

    @Test func `65,537 is the next prime from 65,536 on`() {
        #expect((-3...30).filter(Maglev.isPrime) == [2, 3, 5, 7, 11, 13, 17, 19, 23, 29])
        #expect(Maglev.isPrime(65_537) && !Maglev.isPrime(65_535) && !Maglev.isPrime(255 * 257))
        #expect([-1, 2, 14, 65_536, 65_537, 65_538].map(Maglev.nextPrime) == [2, 2, 17, 65_537, 65_537, 65_539])
    }

    private static func rowsOwned(_ candidates: [WeightedCollector], size: Int) -> [Slot: Int] {
        owners(candidates, size: size).reduce(into: [:]) { $0[$1, default: 0] += 1 }
    }
}
