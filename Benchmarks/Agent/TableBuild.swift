import CBPFShim
import PoolModel

/// The time to build a table, compared with the time to compute its hashes in a plain loop: one for each
/// row and collector, in the same rounds.
struct TableBuild {
    struct Case {
        let name: String
        let candidates: [WeightedCollector]
        /// Nil: rendezvous; else the tables that Maglev's ranks need.
        var maglevTables: Int?
    }

    static let cases = [
        Case(name: "rendezvous, 8 collectors", candidates: candidates(8, heaviest: 1)),
        Case(name: "rendezvous, 256 collectors", candidates: candidates(256, heaviest: 1)),
        Case(name: "rendezvous, 8 collectors, weights 1 to 10", candidates: candidates(8, heaviest: 10)),
        Case(name: "rendezvous, 256 collectors, weights 1 to 10", candidates: candidates(256, heaviest: 10)),
        Case(
            name: "maglev, 8 collectors, ranks from 93 tables", candidates: candidates(8, heaviest: 1),
            maglevTables: 1 + 8 + 28 + 56),
        Case(
            name: "maglev, 256 collectors, ranks from 257 tables", candidates: candidates(256, heaviest: 1),
            maglevTables: 1 + 256),
    ]

    /// - Parameter note: milliseconds of the table, and of its hashes alone; for Maglev, of
    ///   each of its tables.
    static func measure(rounds: Int, note: (Case, _ table: Double, _ reference: Double) -> Void) throws {
        var seen: UInt64 = 0
        for round in 0...rounds {
            for one in cases {
                let start = rpa_monotonic_ns()
                let table = build(one)
                let built = rpa_monotonic_ns()
                if one.maglevTables == nil { seen ^= hashes(one.candidates.count) }
                let hashed = rpa_monotonic_ns()
                seen ^= table[round].word
                if round == 0 { continue }  // warms up
                let milliseconds = Double(built - start) / 1e6
                let reference = one.maglevTables.map { milliseconds / Double($0) } ?? Double(hashed - built) / 1e6
                note(one, milliseconds, reference)
            }
        }
        // Use the results, or the compiler removes the work.
        guard seen != 0 else { throw BenchmarkError(description: "all hashes were zero") }
    }

    private static func build(_ one: Case) -> [BucketRow] {
        let size = BucketRow.defaultTableSize
        return one.maglevTables == nil
            ? Rendezvous(seed: "bench").table(of: one.candidates, tableSize: size)
            : Maglev(seed: "bench").table(of: one.candidates, tableSize: Maglev.nextPrime(from: size))
    }

    private static func candidates(_ count: Int, heaviest: Int) -> [WeightedCollector] {
        (0..<count).map { WeightedCollector(name: "c\($0)", weight: 1 + $0 % heaviest, slot: Slot(UInt16($0))) }
    }

    private static func hashes(_ count: Int) -> UInt64 {
        let keys = (0..<count).map { mix13(UInt64($0)) }
        var all: UInt64 = 0
        for row in 0..<UInt64(BucketRow.defaultTableSize) {
            let bucket = mix13(row)
            for key in keys { all ^= mix13(bucket ^ key) }
        }
        return all
    }

    /// A copy of SockArrayCore's function, which isn't public.
    @inline(__always)
    private static func mix13(_ word: UInt64) -> UInt64 {
        var word = word
        word = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
        return word ^ word >> 31
    }
}
