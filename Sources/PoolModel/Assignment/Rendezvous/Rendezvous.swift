/// Highest-random-weight assignment (Thaler and Ravishankar, "Using name-based
/// mappings to increase hit rates", IEEE/ACM ToN 6(1), 1998): each candidate
/// draws a score for each bucket, and the scores rank them.
///
/// A score depends only on the seed, the bucket and the candidate's name. Therefore
/// rank k + 1 would own the bucket without ranks 1 … k, a candidate
/// that leaves moves only its own buckets, and the order of the list has no
/// effect.
///
/// Weights: the draw is taken as u in (0, 1), and ln(u) / weight is compared
/// (Schindelhauer and Schomaker, "Weighted distributed hash tables", SPAA 2005:
/// the logarithmic method). The owners' shares are then in exact proportion to the
/// weights. All arithmetic uses integers, so that every host gets the same table.
public struct Rendezvous: Sendable {
    private let bucketKey: UInt64
    private let nameKey: UInt64

    public init(seed: String) {
        // These words differ from the exporter hash's: a bucket's number and its owner's
        // score must be independent.
        var stream = SeededKeys(seed: "rendezvous " + seed)
        bucketKey = stream.next()
        nameKey = stream.next()
    }

    /// The `tableSize` rows of a table, each with the best
    /// `BucketRow.capacity` candidates. Without candidates, all ranks are empty.
    public func table(of candidates: [WeightedCollector], tableSize: Int) -> [BucketRow] {
        let scorer = RendezvousScorer(candidates, nameKey: nameKey)
        return (0..<tableSize).map { scorer.row(bucketWord(UInt64($0))) }
    }

    /// One row of any table that has this row.
    public func row(of bucket: Bucket, among candidates: [WeightedCollector]) -> BucketRow {
        RendezvousScorer(candidates, nameKey: nameKey).row(bucketWord(UInt64(bucket.index)))
    }

    private func bucketWord(_ index: UInt64) -> UInt64 { mix13(bucketKey &+ index) }
}
