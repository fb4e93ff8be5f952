/// Contenders that bid for one bucket after another. `Rendezvous` says what they
/// bid; this says it fast: the same rows in the time of about one hash for each
/// contender and row.
///
/// Contenders are flat words, and each has a limit that keeps all but about ten
/// bids of a row from being ranked. A limit decides about time, not about the
/// result: what is above has a cost above all that is below, and a row with too
/// few bids below is ranked without limits. Bids are ranked by 48 bits of their
/// costs; where that is too close to call, by all of them.
struct Auction: ~Copyable {
    private let count: Int
    private let isWeighted: Bool
    /// A word for each contender, ordered by name.
    private let keys: UnsafeMutablePointer<UInt64>
    private let weights: UnsafeMutablePointer<UInt64>
    /// (2^64 - 1) / weight.
    private let reciprocals: UnsafeMutablePointer<UInt64>
    /// The highest remainder that is ranked, if there are enough.
    private let limits: UnsafeMutablePointer<UInt64>
    private let slots: UnsafeMutablePointer<UInt64>
    /// Room for the bids of one row.
    private let bids: UnsafeMutablePointer<Bid>
    private let logarithms = NegativeLogarithm.table

    /// Costs of a row that are ranked, in sum: of many contenders 10 bids, and
    /// fewer than 4 in 1 row of 100.
    private static let rankedCosts = 14 * 0x1p48
    /// Of fewer contenders all bids are ranked.
    private static let fewestForLimits = 12

    /// - Parameters:
    ///   - contenders: fewer than 65,536.
    ///   - nameKey: keys the contenders' names.
    init(_ contenders: [Contender], nameKey: UInt64) {
        precondition(contenders.count <= Bid.capacity)
        let contenders = contenders.sorted { $0.name < $1.name }
        count = contenders.count
        isWeighted = contenders.contains { $0.weight != contenders[0].weight }
        keys = .allocate(capacity: count)
        weights = .allocate(capacity: count)
        reciprocals = .allocate(capacity: count)
        limits = .allocate(capacity: count)
        slots = .allocate(capacity: count)
        bids = .allocate(capacity: count)
        let total = contenders.reduce(0) { $0 + Double($1.weight) }
        let costLimit = count < Self.fewestForLimits ? UInt64.max : UInt64(Self.rankedCosts / total)
        for (index, contender) in contenders.enumerated() {
            let weight = UInt64(contender.weight)
            keys[index] = SeededKeys.fold(contender.name, into: nameKey)
            weights[index] = weight
            reciprocals[index] = .max / weight
            limits[index] = Self.highestRemainder { NegativeLogarithm.of(~$0) / weight <= costLimit }
            slots[index] = UInt64(contender.slot.index)
        }
    }

    deinit {
        keys.deallocate()
        weights.deallocate()
        reciprocals.deallocate()
        limits.deallocate()
        slots.deallocate()
        bids.deallocate()
    }

    /// - Parameter bucket: the bucket's word.
    func row(_ bucket: UInt64) -> BucketRow {
        let offered = offer(bucket)
        if isWeighted { weigh(bucket, offered) }
        let ranking = Ranking(UnsafeBufferPointer(start: bids, count: offered))
        guard ranking.isCertain else { return exactRow(bucket) }
        return BucketRow(slot(ranking.first), slot(ranking.second), slot(ranking.third), slot(ranking.fourth))
    }

    /// What the score lacks to the highest one: equal weights order by it.
    @inline(__always)
    private func remainder(_ bucket: UInt64, _ index: Int) -> UInt64 { ~mix13(bucket ^ keys[index]) }

    /// Leaves the bids below their limits in `bids`, and returns how many.
    @inline(__always)
    private func offer(_ bucket: UInt64) -> Int {
        var offered = 0
        for index in 0..<count {
            let remainder = remainder(bucket, index)
            bids[offered] = Bid(cost: remainder, contender: index)
            // The carry as a number: of a condition, the compiler makes a branch.
            let isAbove = limits[index].subtractingReportingOverflow(remainder).overflow
            offered &+= 1 &- Int(truncatingIfNeeded: unsafeBitCast(isAbove, to: UInt8.self))
        }
        if offered >= min(count, BucketRow.capacity) { return offered }
        for index in 0..<count { bids[index] = Bid(cost: remainder(bucket, index), contender: index) }
        return count
    }

    /// Gives bids the costs of weighted contenders, 41 fractional bits: one more
    /// than the logarithm, times the reciprocal, is off by at most one from the quotient.
    @inline(__always)
    private func weigh(_ bucket: UInt64, _ offered: Int) {
        for index in 0..<offered {
            let contender = bids[index].contender
            let logarithm = NegativeLogarithm.of(~remainder(bucket, contender), table: logarithms)
            let cost = (logarithm &+ 1).multipliedFullWidth(by: reciprocals[contender]).high
            bids[index] = Bid(cost: cost << 9, contender: contender)
        }
    }

    @inline(__always)
    private func slot(_ bid: Bid) -> UInt64 { bid == .none ? UInt64(BucketRow.noSlot) : slots[bid.contender] }

    /// By the definition: weighted logarithms, then remainders, then names.
    private func exactRow(_ bucket: UInt64) -> BucketRow {
        let offers = (0..<count).map { index in
            let remainder = remainder(bucket, index)
            return (isWeighted ? NegativeLogarithm.of(~remainder) / weights[index] : 0, remainder, index)
        }
        return BucketRow(ranks: offers.sorted(by: <).prefix(BucketRow.capacity).map { Slot(UInt16(slots[$0.2])) })
    }

    /// The highest number of all that pass; zero does, and none above one that doesn't.
    private static func highestRemainder(passing: (UInt64) -> Bool) -> UInt64 {
        var highest: UInt64 = 0
        for bit in (0..<64).reversed() where passing(highest | 1 << UInt64(bit)) { highest |= 1 << UInt64(bit) }
        return highest
    }
}
