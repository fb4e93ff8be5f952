/// Highest-random-weight assignment (Thaler and Ravishankar, "Using name-based
/// mappings to increase hit rates", IEEE/ACM ToN 6(1), 1998): each contender
/// draws a score for each bucket, and the scores rank them.
///
/// A score depends on the seed, the bucket and the contender's name alone. So
/// rank k + 1 is who would own the bucket if ranks 1 … k were gone, a contender
/// that leaves moves its own buckets only, and the order of the list is of no
/// meaning.
///
/// Weights: the draw is taken as u in (0, 1), and ln(u) / weight is compared
/// (Schindelhauer and Schomaker, "Weighted distributed hash tables", SPAA 2005:
/// the logarithmic method). Owner shares are then exactly in proportion to the
/// weights. All in integers, so that every host gets the same table.
public struct Rendezvous: Sendable {
    private let bucketKey: UInt64
    private let nameKey: UInt64

    public init(seed: String) {
        // Not the exporter hash's words: a bucket's number and its owner's
        // score must have nothing in common.
        var stream = SeededKeys(seed: "rendezvous " + seed)
        bucketKey = stream.next()
        nameKey = stream.next()
    }

    /// The rows of a table, `tableSize` of them, each with the best
    /// `BucketRow.capacity` contenders. Without contenders all ranks are empty.
    public func table(of contenders: [Contender], tableSize: Int) -> [BucketRow] {
        let draws = contenders.map { Draw(contender: $0, key: SeededKeys.fold($0.name, into: nameKey)) }
        let weighted = Set(contenders.map(\.weight)).count > 1
        var ranking = Ranking()
        return (0..<tableSize).map { index in
            ranking.clear()
            let bucket = mix13(bucketKey &+ UInt64(index))
            for draw in draws {
                let score = mix13(bucket ^ draw.key)
                let cost = weighted ? NegativeLogarithm.of(score) / draw.weight : 0
                ranking.insert(Bid(cost: cost, remainder: ~score, draw: draw))
            }
            return ranking.row
        }
    }

    /// What a contender brings to every bucket.
    fileprivate struct Draw {
        let name: String
        let weight: UInt64
        let slot: Slot
        let key: UInt64

        init(contender: Contender, key: UInt64) {
            name = contender.name
            weight = UInt64(contender.weight)
            slot = contender.slot
            self.key = key
        }
    }
}

/// A contender's offer for one bucket; the lowest owns it.
private struct Bid {
    /// Weighted logarithm of the score, 0 where all weights are equal.
    let cost: UInt64
    /// Orders equal costs, as the exact logarithm would.
    let remainder: UInt64
    let draw: Rendezvous.Draw

    static func < (left: Bid, right: Bid) -> Bool {
        if left.cost != right.cost { return left.cost < right.cost }
        if left.remainder != right.remainder { return left.remainder < right.remainder }
        return left.draw.name < right.draw.name
    }
}

/// The best few bids for one bucket, the lowest first.
private struct Ranking {
    private var best: [Bid] = []

    init() { best.reserveCapacity(BucketRow.capacity + 1) }

    var row: BucketRow { BucketRow(ranks: best.lazy.map(\.draw.slot)) }

    mutating func clear() { best.removeAll(keepingCapacity: true) }

    mutating func insert(_ bid: Bid) {
        if best.count == BucketRow.capacity, best[best.count - 1] < bid { return }
        best.insert(bid, at: best.firstIndex { bid < $0 } ?? best.count)
        if best.count > BucketRow.capacity { best.removeLast() }
    }
}
