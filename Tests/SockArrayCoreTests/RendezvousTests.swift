import Testing

@testable import PoolModel

@Suite struct RendezvousTests {
    private static let tableSize = 65_536

    private static func candidates(_ count: Int) -> [WeightedCollector] {
        (0..<count).map { WeightedCollector(name: "c\($0)", slot: Slot(UInt16($0))) }
    }

    private static func table(_ candidates: [WeightedCollector], size: Int = tableSize) -> [BucketRow] {
        Rendezvous(seed: "test").table(of: candidates, tableSize: size)
    }

    @Test func `removing 1 of 8 collectors moves only its own rows, to their rank 2`() {
        let before = Self.table(Self.candidates(8))
        let after = Self.table(Self.candidates(8).filter { $0.name != "c3" })
        for (old, new) in zip(before, after) {
            let heir = old.owner == Slot(3) ? old.ranks[1] : old.owner
            #expect(new.owner == heir)
        }
    }

    @Test func `adding 1 to 8 collectors moves only rows to it, its share within 3 sigma`() {
        let before = Self.table(Self.candidates(8))
        let after = Self.table(Self.candidates(9))
        var moved = 0
        for (old, new) in zip(before, after) where old.owner != new.owner {
            #expect(new.owner == Slot(8))
            moved += 1
        }
        let expected = Double(Self.tableSize) / 9
        let sigma = (expected * 8 / 9).squareRoot()
        #expect(abs(Double(moved) - expected) < 3 * sigma)
    }

    @Test func `the order of the list doesn't matter`() {
        var generator = SplitMix(state: 3)
        let shuffled = Self.candidates(20).shuffled(using: &generator)
        #expect(Self.table(shuffled, size: 4_096) == Self.table(Self.candidates(20), size: 4_096))
    }

    @Test func `ranks are distinct, as many as there are collectors, 4 at most`() {
        for count in 0...6 {
            for row in Self.table(Self.candidates(count), size: 512) {
                #expect(row.ranks.count == min(count, 4))
                #expect(Set(row.ranks).count == row.ranks.count)
            }
        }
    }

    @Test func `weights 1, 2 and 5 own 1, 2 and 5 eighths of the rows within 3 sigma`() {
        let weighted = [1, 2, 5].enumerated().map {
            WeightedCollector(name: "w\($0.offset)", weight: $0.element, slot: Slot(UInt16($0.offset)))
        }
        var owned = [Slot: Int]()
        for row in Self.table(weighted) { owned[row.owner!, default: 0] += 1 }
        for candidate in weighted {
            let share = Double(candidate.weight) / 8
            let sigma = (Double(Self.tableSize) * share * (1 - share)).squareRoot()
            #expect(abs(Double(owned[candidate.slot]!) - Double(Self.tableSize) * share) < 3 * sigma)
        }
    }

    @Test func `a weight raised from 1 to 2 moves rows to that collector alone`() {
        var weighted = Self.candidates(8)
        weighted[5] = WeightedCollector(name: "c5", weight: 2, slot: Slot(5))
        for (old, new) in zip(Self.table(Self.candidates(8)), Self.table(weighted)) where old.owner != new.owner {
            #expect(new.owner == Slot(5))
        }
    }

    @Test func `equal weights other than 1 change nothing`() {
        let heavy = Self.candidates(5).map { WeightedCollector(name: $0.name, weight: 7, slot: $0.slot) }
        #expect(Self.table(heavy, size: 4_096) == Self.table(Self.candidates(5), size: 4_096))
    }

    @Test(arguments: [1, 2, 3, 5, 11, 12, 40, 256])
    func `removing 1 of 1 to 256 random collectors moves only its own rows, to their rank 2`(_ count: Int) {
        var generator = SplitMix(state: UInt64(count))
        let all = [WeightedCollector].random(count, using: &generator)
        let gone = all.randomElement(using: &generator)!
        let after = Self.table(all.filter { $0 != gone }, size: 1_024)
        for (old, new) in zip(Self.table(all, size: 1_024), after) {
            #expect(new.ranks.prefix(3) == old.ranks.filter { $0 != gone.slot }.prefix(3))
        }
    }

    @Test(arguments: [2, 3, 5, 11, 12, 40, 256])
    func `the last of 2 to 256 random collectors takes its share within 3 sigma, others move none`(_ count: Int) {
        var generator = SplitMix(state: UInt64(count))
        let all = [WeightedCollector].random(count, using: &generator)
        var taken = 0
        for (old, new) in zip(Self.table(all.dropLast(), size: 4_096), Self.table(all, size: 4_096))
        where old.owner != new.owner {
            #expect(new.owner == all.last!.slot)
            taken += 1
        }
        let share = Double(all.last!.weight) / Double(all.reduce(0) { $0 + $1.weight })
        let sigma = (4_096 * share * (1 - share)).squareRoot()
        #expect(abs(Double(taken) - 4_096 * share) < 3 * sigma)
    }

    @Test func `rows are those of the plain definition, for 0 to 256 collectors and weights 1 to 2^62`() {
        var generator = SplitMix(state: 5)
        for (count, heaviest) in [
            (0, 1), (1, 9), (3, 1), (4, 1), (5, 9), (11, 1), (12, 1), (13, 1_000), (64, 1), (90, 1 << 45),
            (30, 1 << 62),
            (256, 1), (256, 1_000),
        ] {
            let candidates = [WeightedCollector].random(count, upTo: heaviest, using: &generator)
            let rows = Self.table(candidates, size: 100)
            for index in rows.indices { #expect(rows[index] == plainRow(candidates, index)) }
        }
    }

    @Test func `two collectors of one name keep the order of the list, and the others their rows`() {
        let twins = [WeightedCollector(name: "c1", slot: Slot(9)), WeightedCollector(name: "c1", slot: Slot(4))]
        for (row, alone) in zip(
            Self.table(twins + Self.candidates(2), size: 256), Self.table(Self.candidates(2), size: 256))
        {
            let isFirst = alone.owner == Slot(1)
            #expect(row.ranks.map(\.index) == (isFirst ? [9, 4, 1, 0] : [0, 9, 4, 1]))
        }
    }

    @Test(arguments: [1, 8, 12, 200])
    func `a single row equals that of the table`(_ count: Int) {
        var generator = SplitMix(state: 6)
        let candidates = [WeightedCollector].random(count, using: &generator)
        for (index, row) in Self.table(candidates, size: 50).enumerated() {
            #expect(Rendezvous(seed: "test").row(of: Bucket(UInt32(index)), among: candidates) == row)
        }
    }

    /// Worked out by another program from the definition, with real logarithms:
    /// rows 0, 1, 2, 16,948 and 65,535 of c1 … c4 in slots 0 … 3.
    @Test func `rows are the same on every host and release, c4 of weight 1 and of weight 2`() {
        func ranks(_ weight: Int) -> [[UInt16]] {
            let candidates = (1...4).map { index in
                WeightedCollector(name: "c\(index)", weight: index == 4 ? weight : 1, slot: Slot(UInt16(index - 1)))
            }
            let table = Rendezvous(seed: PoolConfiguration.defaultSeed).table(of: candidates, tableSize: 65_536)
            return [0, 1, 2, 16_948, 65_535].map { table[$0].ranks.map(\.index) }
        }
        #expect(ranks(1) == [[3, 1, 0, 2], [0, 3, 2, 1], [3, 1, 0, 2], [0, 1, 2, 3], [0, 3, 2, 1]])
        #expect(ranks(2) == [[3, 1, 0, 2], [3, 0, 2, 1], [3, 1, 0, 2], [0, 1, 2, 3], [0, 3, 2, 1]])
    }

    @Test func `the logarithm is within 2^-26 of that of real numbers`() {
        var generator = SplitMix(state: 7)
        for _ in 0..<10_000 {
            let draw = generator.next() >> (generator.next() % 64)
            let exact = 64 - log2OfReal(Double(draw) + 1)
            let ours = Double(NegativeLogarithm.of(draw)) / Double(UInt64(1) << 48)
            #expect(abs(exact - ours) < 0x1p-26)
        }
    }

    @Test func `the logarithm is monotonic around powers of two and between them`() {
        var last = NegativeLogarithm.of(0)
        for (exponent, steps) in (UInt64(12)..<64).map({ ($0, $0 % 13 == 0 ? UInt64(4_096) : 1) }) {
            let logarithms = (0..<steps).flatMap { step in
                (0...2).map { NegativeLogarithm.of((4_096 + step) << (exponent - 12) - 2 + $0) }
            }
            #expect(logarithms == logarithms.sorted(by: >) && logarithms[0] <= last)
            last = logarithms.last!
        }
        #expect(last > 0 && NegativeLogarithm.of(.max) == 0)
    }

    /// As the type's comment defines it: every score, sorted.
    private func plainRow(_ candidates: [WeightedCollector], _ index: Int) -> BucketRow {
        var stream = SeededKeys(seed: "rendezvous test")
        let (bucketKey, nameKey) = (stream.next(), stream.next())
        let isWeighted = Set(candidates.map(\.weight)).count > 1
        let scores = candidates.map { candidate in
            let score = mix13(mix13(bucketKey &+ UInt64(index)) ^ SeededKeys.fold(candidate.name, into: nameKey))
            let cost = isWeighted ? NegativeLogarithm.of(score) / UInt64(candidate.weight) : 0
            return (cost, ~score, candidate.name, candidate.slot.index)
        }
        return BucketRow(ranks: scores.sorted(by: <).map { Slot($0.3) })
    }

    private func log2OfReal(_ number: Double) -> Double {
        // log2 by the exponent and atanh series: no libm, which differs between hosts.
        let exponent = Double(number.exponent)
        let ratio = (number.significand - 1) / (number.significand + 1)
        var (term, sum) = (ratio, 0.0)
        for index in 0..<60 {
            sum += term / Double(2 * index + 1)
            term *= ratio * ratio
        }
        return exponent + 2 * sum / 0.693_147_180_559_945_3
    }
}

extension [WeightedCollector] {
    /// Names of 1 to 20 letters, weights from 1, slots in another order than the names.
    static func random(
        _ count: Int, upTo heaviest: Int = 10, using generator: inout some RandomNumberGenerator
    ) -> [WeightedCollector] {
        var names = Set<String>()
        return (0..<count).map { index in
            var name = ""
            repeat {
                name = String(
                    (0..<Int.random(in: 1...20, using: &generator)).map { _ in
                        "abcdefghijklmnopqrstuvwxyz-0123456789é".randomElement(using: &generator)!
                    })
            } while !names.insert(name).inserted
            return WeightedCollector(
                name: name, weight: Int.random(in: 1...heaviest, using: &generator), slot: Slot(UInt16(index)))
        }
    }
}
