/// The order in which collectors take turns, where affinity isn't wanted.
///
/// Smooth weighted round-robin, the way nginx's upstreams do it: each candidate
/// gains its weight a turn, and the one with the most takes the turn and pays the
/// sum of all. In a cycle of sum turns each has as many as its weight, spread out.
enum TurnCycle {
    /// Turns of one cycle: the sum of the weights, without their common divisor.
    static func length(weights: [Int]) -> Int {
        max(1, weights.reduce(0, +) / max(1, weights.reduce(0, greatestCommonDivisor)))
    }

    /// One candidate a row; candidates take turns in the order of their names.
    static func rows(of candidates: [WeightedCollector], count: Int) -> [BucketRow] {
        let ordered = candidates.sorted { $0.name < $1.name }
        guard !ordered.isEmpty else { return Array(repeating: BucketRow(ranks: []), count: count) }
        let divisor = ordered.map(\.weight).reduce(0, greatestCommonDivisor)
        let weights = ordered.map { $0.weight / divisor }
        let sum = weights.reduce(0, +)
        var credit = Array(repeating: 0, count: weights.count)
        return (0..<count).map { _ in
            var next = 0
            for index in weights.indices {
                credit[index] += weights[index]
                if credit[index] > credit[next] { next = index }
            }
            credit[next] -= sum
            return BucketRow(ranks: CollectionOfOne(ordered[next].slot))
        }
    }

    private static func greatestCommonDivisor(_ left: Int, _ right: Int) -> Int {
        right == 0 ? left : greatestCommonDivisor(right, left % right)
    }
}
