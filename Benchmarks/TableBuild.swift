import CBPFShim
import SockArrayCore

/// How long a table takes to build, beside what it takes to compute its hashes:
/// one for each row and collector, in a plain loop, in the same rounds.
enum TableBuild {
    private static let rounds = 9

    static func measure() throws -> String {
        let lines = try [
            rendezvous(8, heaviest: 1, target: "; target: below 2"),
            rendezvous(256, heaviest: 1, target: "; target: below 50"),
            rendezvous(8, heaviest: 10),
            rendezvous(256, heaviest: 10),
            maglev(8, tables: 1 + 8 + 28 + 56),
            maglev(256, tables: 1 + 256),
        ]
        return lines.joined(separator: "\n") + "\n"
    }

    private static func rendezvous(_ count: Int, heaviest: Int, target: String = "") throws -> String {
        let contenders = contenders(count, heaviest: heaviest)
        let (table, hashes) = try beside(hashesPerRow: count) {
            Rendezvous(seed: "bench").table(of: contenders, tableSize: BucketRow.defaultTableSize)
        }
        let ratio = Spread.hundredths(table.median / hashes.median)
        let weights = heaviest == 1 ? "" : ", weights 1 to \(heaviest)"
        return """
              rendezvous, \(count) collectors\(weights): \(ratio) x the hashes alone
                \(table.text) ms beside \(hashes.text) ms\(target)
            """
    }

    /// - Parameter tables: which its ranks need.
    private static func maglev(_ count: Int, tables: Int) throws -> String {
        let contenders = contenders(count, heaviest: 1)
        let size = Maglev.nextPrime(from: BucketRow.defaultTableSize)
        let (table, _) = try beside(hashesPerRow: 0) {
            Maglev(seed: "bench").table(of: contenders, tableSize: size)
        }
        let each = Spread.hundredths(table.median / Double(tables))
        return """
              maglev, \(count) collectors, ranks from \(tables) tables: \(table.text) ms, \(each) ms for each table
            """
    }

    private static func contenders(_ count: Int, heaviest: Int) -> [Contender] {
        (0..<count).map { Contender(name: "c\($0)", weight: 1 + $0 % heaviest, slot: Slot(UInt16($0))) }
    }

    /// Milliseconds of the table and of the hashes.
    private static func beside(
        hashesPerRow: Int, _ build: () -> [BucketRow]
    ) throws -> (table: Spread, hashes: Spread) {
        let keys = (0..<hashesPerRow).map { mix13(UInt64($0)) }
        var times: (table: [Double], hashes: [Double]) = ([], [])
        var seen: UInt64 = 0
        for round in 0...rounds {
            let start = rpa_monotonic_ns()
            let table = build()
            let built = rpa_monotonic_ns()
            seen ^= hashes(keys)
            let hashed = rpa_monotonic_ns()
            seen ^= table[round].word
            if round == 0 { continue }  // warms up
            times.table.append(Double(built - start) / 1e6)
            times.hashes.append(Double(hashed - built) / 1e6)
        }
        // Without a use of the results the compiler would leave the work out.
        guard seen != 0 else { throw BenchmarkError(description: "all hashes were zero") }
        return (Spread(times.table), Spread(times.hashes))
    }

    private static func hashes(_ keys: [UInt64]) -> UInt64 {
        var all: UInt64 = 0
        for row in 0..<UInt64(BucketRow.defaultTableSize) {
            let bucket = mix13(row)
            for key in keys { all ^= mix13(bucket ^ key) }
        }
        return all
    }

    /// The same as SockArrayCore's, which it keeps to itself.
    @inline(__always)
    private static func mix13(_ word: UInt64) -> UInt64 {
        var word = word
        word = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
        return word ^ word >> 31
    }
}
