/// The order in which collectors take turns, for assignments without affinity.
///
/// Smooth weighted round-robin, as in nginx's upstreams: at each turn, every candidate
/// gains its weight, and the candidate with the highest total takes the turn and pays the
/// sum of all weights. In a cycle of sum turns, each candidate has as many turns as its
/// weight, spread evenly.
enum TurnCycle {
    /// Number of turns in a cycle: the sum of the weights, divided by their greatest common divisor.
    package static func length(weights: [Int]) -> Int {
        max(1, weights.reduce(0, +) / max(1, weights.reduce(0, greatestCommonDivisor)))
    }

    /// One candidate for each row; candidates take turns in the order of their names.
    package static func rows(of candidates: [WeightedCollector], count: Int) -> [BucketRow] {
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
