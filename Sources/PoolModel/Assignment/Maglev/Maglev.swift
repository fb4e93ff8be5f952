/// Maglev assignment (Eisenbud et al., "Maglev: a fast and reliable software
/// network load balancer", NSDI 2016, section 3.4): candidates take turns to
/// pick rows, each in its own order, until the table is full.
///
/// Shares are exact: candidates with equal weights differ by at most one row, whereas the
/// shares of `Rendezvous` vary at random. In return, a candidate that leaves or
/// joins also moves a few rows between others: of 65,537 rows, about 0.2 % when 1
/// of 8 leaves.
///
/// Rank k + 1 of a row is its owner in the table without the row's
/// ranks 1 … k, as with `Rendezvous`. That takes a table for each set
/// of ranks that occurs; past `largestNumberOfTables`, further ranks are in
/// `Rendezvous`'s order. The order of the names decides who picks first: the order of
/// the list has no effect. All arithmetic uses integers, so that every host gets the same table.
public struct Maglev: Sendable {
    /// Maximum number of tables for the ranks. Rank 2 is always made: a table for each candidate.
    static let largestNumberOfTables = 400

    private let seed: String
    private let furtherRanks: Rendezvous

    public init(seed: String) {
        self.seed = seed
        furtherRanks = Rendezvous(seed: seed)
    }

    /// The rows of a table. Without candidates all ranks are empty.
    ///
    /// - Parameter tableSize: a prime, and for shares within 1 % at least 100
    ///   times the number of candidates (section 3.4).
    public func table(of candidates: [WeightedCollector], tableSize: Int) -> [BucketRow] {
        let field = MaglevField(candidates, tableSize: tableSize, seed: seed)
        let exactRanks = Self.exactRanks(of: candidates.count)
        var ranks: [[UInt16]] = []
        for _ in 0..<exactRanks { ranks.append(nextRank(after: ranks, in: field)) }
        let rest =
            exactRanks < min(candidates.count, BucketRow.capacity)
            ? furtherRanks.table(of: candidates, tableSize: tableSize) : nil
        return (0..<tableSize).map { row in
            field.row(ranks.map { $0[row] }, then: rest?[row])
        }
    }

    /// One row of the table, from the tables that its ranks need: four at most.
    public func row(of bucket: Bucket, among candidates: [WeightedCollector], tableSize: Int) -> BucketRow {
        let field = MaglevField(candidates, tableSize: tableSize, seed: seed)
        var ranks: [UInt16] = []
        for _ in 0..<Self.exactRanks(of: candidates.count) {
            ranks.append(field.owners(without: MaglevAbsence(ranks))[Int(bucket.index)])
        }
        return field.row(ranks, then: furtherRanks.row(of: bucket, among: candidates))
    }

    /// The owner of each row in the table without the row's candidates in `ranks`.
    private func nextRank(after ranks: [[UInt16]], in field: MaglevField) -> [UInt16] {
        var next = [UInt16](repeating: 0, count: field.tableSize)
        let rowsOfAbsence = Dictionary(grouping: 0..<field.tableSize) { row in
            MaglevAbsence(ranks.lazy.map { $0[row] })
        }
        for (absence, rows) in rowsOfAbsence {
            let owners = field.owners(without: absence)
            for row in rows { next[row] = owners[row] }
        }
        return next
    }

    /// Number of ranks that tables decide. It depends on the number of candidates alone.
    static func exactRanks(of count: Int) -> Int {
        var (ranks, sets, tables) = (0, 1, 0)
        while ranks < min(count, BucketRow.capacity) {
            tables += sets
            if ranks >= 2, tables > largestNumberOfTables { break }
            ranks += 1
            sets = sets * (count - ranks + 1) / ranks
        }
        return ranks
    }
}
