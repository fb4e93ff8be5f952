/// Scores the candidates for one bucket after another. `Rendezvous` defines the scores; this type
/// computes the same rows in about the time of one hash for each candidate and row.
///
/// Candidates are flat words, and each has a limit that keeps all but about ten scores of a row
/// from being ranked. A limit saves time and does not change the result: a score above the limit
/// has a higher cost than every score below, and a row with too few scores below is ranked without
/// limits. Scores are ranked by 48 bits of their costs; where that is too close to call, by all
/// bits.
struct RendezvousScorer: ~Copyable {
    private let count: Int
    private let isWeighted: Bool
    /// A word for each candidate, ordered by name.
    private let keys: UnsafeMutablePointer<UInt64>
    private let weights: UnsafeMutablePointer<UInt64>
    /// (2^64 - 1) / weight.
    private let reciprocals: UnsafeMutablePointer<UInt64>
    /// The highest remainder that is ranked, if there are enough.
    private let limits: UnsafeMutablePointer<UInt64>
    private let slots: UnsafeMutablePointer<UInt64>
    /// Room for the scores of one row.
    private let scores: UnsafeMutablePointer<ScoredCollector>
    private let logarithms = NegativeLogarithm.table

    /// The sum of the costs that are ranked in a row: with many candidates 10 scores, and fewer than
    /// 4 in 1 row of 100.
    private static let rankedCosts = 14 * 0x1p48
    /// With fewer candidates, all scores are ranked.
    private static let fewestForLimits = 12

    /// - Parameters:
    ///   - candidates: fewer than 65,536.
    ///   - nameKey: keys the candidates' names.
    package init(_ candidates: [WeightedCollector], nameKey: UInt64) {
        precondition(candidates.count <= ScoredCollector.capacity)
        let candidates = candidates.sorted { $0.name < $1.name }
        count = candidates.count
        isWeighted = candidates.contains { $0.weight != candidates[0].weight }
        keys = .allocate(capacity: count)
        weights = .allocate(capacity: count)
        reciprocals = .allocate(capacity: count)
        limits = .allocate(capacity: count)
        slots = .allocate(capacity: count)
        scores = .allocate(capacity: count)
        let total = candidates.reduce(0) { $0 + Double($1.weight) }
        let costLimit = count < Self.fewestForLimits ? UInt64.max : UInt64(Self.rankedCosts / total)
        for (index, candidate) in candidates.enumerated() {
            let weight = UInt64(candidate.weight)
            keys[index] = SeededKeys.fold(candidate.name, into: nameKey)
            weights[index] = weight
            reciprocals[index] = .max / weight
            limits[index] = Self.highestRemainder { NegativeLogarithm.of(~$0) / weight <= costLimit }
            slots[index] = UInt64(candidate.slot.index)
        }
    }

    deinit {
        keys.deallocate()
        weights.deallocate()
        reciprocals.deallocate()
        limits.deallocate()
        slots.deallocate()
        scores.deallocate()
    }

    /// - Parameter bucket: the bucket's word.
    package func row(_ bucket: UInt64) -> BucketRow {
        let offered = offer(bucket)
        if isWeighted { weigh(bucket, offered) }
        let ranking = Ranking(UnsafeBufferPointer(start: scores, count: offered))
        guard ranking.isCertain else { return exactRow(bucket) }
        return BucketRow(slot(ranking.first), slot(ranking.second), slot(ranking.third), slot(ranking.fourth))
    }

    /// The distance to the highest score possible: equal weights order by it.
    @inline(__always)
    private func remainder(_ bucket: UInt64, _ index: Int) -> UInt64 { ~mix13(bucket ^ keys[index]) }

    /// Writes the scores below their limits to `scores`, and returns their number.
    @inline(__always)
    private func offer(_ bucket: UInt64) -> Int {
        var offered = 0
        for index in 0..<count {
            let remainder = remainder(bucket, index)
            scores[offered] = ScoredCollector(cost: remainder, candidate: index)
            // The carry as a number: the compiler turns a condition into a branch.
            let isAbove = limits[index].subtractingReportingOverflow(remainder).overflow
            offered &+= 1 &- Int(truncatingIfNeeded: unsafeBitCast(isAbove, to: UInt8.self))
        }
        if offered >= min(count, BucketRow.capacity) { return offered }
        for index in 0..<count { scores[index] = ScoredCollector(cost: remainder(bucket, index), candidate: index) }
        return count
    }

    /// Replaces the scores by the costs of weighted candidates, with 41 fractional bits. That is one
    /// bit more than the logarithm has; times the reciprocal, it differs from the quotient by at most one.
    @inline(__always)
    private func weigh(_ bucket: UInt64, _ offered: Int) {
        for index in 0..<offered {
            let candidate = scores[index].candidate
            let logarithm = NegativeLogarithm.of(~remainder(bucket, candidate), table: logarithms)
            let cost = (logarithm &+ 1).multipliedFullWidth(by: reciprocals[candidate]).high
            scores[index] = ScoredCollector(cost: cost << 9, candidate: candidate)
        }
    }

    @inline(__always)
    private func slot(_ score: ScoredCollector) -> UInt64 {
        score == .none ? UInt64(BucketRow.noSlot) : slots[score.candidate]
    }

    /// Ranks by the definition: weighted logarithms, then remainders, then names.
    private func exactRow(_ bucket: UInt64) -> BucketRow {
        let offers = (0..<count).map { index in
            let remainder = remainder(bucket, index)
            return (isWeighted ? NegativeLogarithm.of(~remainder) / weights[index] : 0, remainder, index)
        }
        return BucketRow(ranks: offers.sorted(by: <).prefix(BucketRow.capacity).map { Slot(UInt16(slots[$0.2])) })
    }

    /// The highest number that passes. Zero passes, and no number above one that doesn't.
    private static func highestRemainder(passing: (UInt64) -> Bool) -> UInt64 {
        var highest: UInt64 = 0
        for bit in (0..<64).reversed() where passing(highest | 1 << UInt64(bit)) { highest |= 1 << UInt64(bit) }
        return highest
    }
}
