import Testing

@testable import SockArrayCore

@Suite struct RendezvousTests {
    private static let tableSize = 65_536

    private static func contenders(_ count: Int) -> [Contender] {
        (0..<count).map { Contender(name: "c\($0)", slot: Slot(UInt16($0))) }
    }

    private static func table(_ contenders: [Contender], size: Int = tableSize) -> [BucketRow] {
        Rendezvous(seed: "test").table(of: contenders, tableSize: size)
    }

    @Test func `removing 1 of 8 collectors moves only its own rows, to their rank 2`() {
        let before = Self.table(Self.contenders(8))
        let after = Self.table(Self.contenders(8).filter { $0.name != "c3" })
        for (old, new) in zip(before, after) {
            let heir = old.owner == Slot(3) ? old.ranks[1] : old.owner
            #expect(new.owner == heir)
        }
    }

    @Test func `adding 1 to 8 collectors moves only rows to it, its share within 3 sigma`() {
        let before = Self.table(Self.contenders(8))
        let after = Self.table(Self.contenders(9))
        var moved = 0
        for (old, new) in zip(before, after) where old.owner != new.owner {
            #expect(new.owner == Slot(8))
            moved += 1
        }
        let expected = Double(Self.tableSize) / 9
        let sigma = (expected * 8 / 9).squareRoot()
        #expect(abs(Double(moved) - expected) < 3 * sigma)
    }

    @Test func `the order of the list is of no meaning`() {
        let shuffled = Self.contenders(20).shuffled()
        #expect(Self.table(shuffled, size: 4_096) == Self.table(Self.contenders(20), size: 4_096))
    }

    @Test func `ranks are distinct, as many as there are collectors, 4 at most`() {
        for count in 0...6 {
            for row in Self.table(Self.contenders(count), size: 512) {
                #expect(row.ranks.count == min(count, 4))
                #expect(Set(row.ranks).count == row.ranks.count)
            }
        }
    }

    @Test func `weights 1, 2 and 5 own 1, 2 and 5 eighths of the rows within 3 sigma`() {
        let weighted = [1, 2, 5].enumerated().map {
            Contender(name: "w\($0.offset)", weight: $0.element, slot: Slot(UInt16($0.offset)))
        }
        var owned = [Slot: Int]()
        for row in Self.table(weighted) { owned[row.owner!, default: 0] += 1 }
        for contender in weighted {
            let share = Double(contender.weight) / 8
            let sigma = (Double(Self.tableSize) * share * (1 - share)).squareRoot()
            #expect(abs(Double(owned[contender.slot]!) - Double(Self.tableSize) * share) < 3 * sigma)
        }
    }

    @Test func `a weight raised from 1 to 2 moves rows to that collector alone`() {
        var weighted = Self.contenders(8)
        weighted[5] = Contender(name: "c5", weight: 2, slot: Slot(5))
        for (old, new) in zip(Self.table(Self.contenders(8)), Self.table(weighted)) where old.owner != new.owner {
            #expect(new.owner == Slot(5))
        }
    }

    @Test func `equal weights other than 1 change nothing`() {
        let heavy = Self.contenders(5).map { Contender(name: $0.name, weight: 7, slot: $0.slot) }
        #expect(Self.table(heavy, size: 4_096) == Self.table(Self.contenders(5), size: 4_096))
    }

    /// Worked out by another program from the definition, with real logarithms:
    /// rows 0, 1, 2, 16,948 and 65,535 of c1 … c4 in slots 0 … 3.
    @Test func `rows are the same on every host and release, c4 of weight 1 and of weight 2`() {
        func ranks(_ weight: Int) -> [[UInt16]] {
            let contenders = (1...4).map { index in
                Contender(name: "c\(index)", weight: index == 4 ? weight : 1, slot: Slot(UInt16(index - 1)))
            }
            let table = Rendezvous(seed: PoolConfiguration.defaultSeed).table(of: contenders, tableSize: 65_536)
            return [0, 1, 2, 16_948, 65_535].map { table[$0].ranks.map(\.index) }
        }
        #expect(ranks(1) == [[3, 1, 0, 2], [0, 3, 2, 1], [3, 1, 0, 2], [0, 1, 2, 3], [0, 3, 2, 1]])
        #expect(ranks(2) == [[3, 1, 0, 2], [3, 0, 2, 1], [3, 1, 0, 2], [0, 1, 2, 3], [0, 3, 2, 1]])
    }

    @Test func `the logarithm is that of the real numbers within 2^-26`() {
        var generator = SplitMix(state: 7)
        for _ in 0..<10_000 {
            let draw = generator.next() >> (generator.next() % 64)
            let exact = 64 - log2OfReal(Double(draw) + 1)
            let ours = Double(NegativeLogarithm.of(draw)) / Double(UInt64(1) << 48)
            #expect(abs(exact - ours) < 0x1p-26)
        }
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
