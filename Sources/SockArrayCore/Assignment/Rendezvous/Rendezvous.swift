/// Highest-random-weight assignment (Thaler and Ravishankar, "Using name-based
/// mappings to increase hit rates", IEEE/ACM ToN 6(1), 1998): each candidate
/// draws a score for each bucket, and the scores rank them.
///
/// A score depends on the seed, the bucket and the candidate's name alone. So
/// rank k + 1 is who would own the bucket if ranks 1 … k were gone, a candidate
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
    /// `BucketRow.capacity` candidates. Without candidates all ranks are empty.
    public func table(of candidates: [WeightedCollector], tableSize: Int) -> [BucketRow] {
        let scorer = RendezvousScorer(candidates, nameKey: nameKey)
        return (0..<tableSize).map { scorer.row(bucketWord(UInt64($0))) }
    }

    /// One row of any table that is large enough to have it.
    public func row(of bucket: Bucket, among candidates: [WeightedCollector]) -> BucketRow {
        RendezvousScorer(candidates, nameKey: nameKey).row(bucketWord(UInt64(bucket.index)))
    }

    private func bucketWord(_ index: UInt64) -> UInt64 { mix13(bucketKey &+ index) }
}
