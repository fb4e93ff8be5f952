import PoolModel

/// Detects that one address sends nearly everything: behind a NAT or a proxy, all
/// exporters are one exporter and go to one collector.
public struct SourceCensus: Sendable {
    /// Runs of each address at the last look with enough runs.
    private var before: [IPAddress: UInt64] = [:]
    private var totalBefore: UInt64?
    private var untrackedBefore: UInt64 = 0
    /// The result of that look.
    public private(set) var loneSource: IPAddress?

    /// Fewer runs give no result.
    public static let leastRuns: UInt64 = 1_000
    /// Runs from one address, of 1,000, from which on it is reported.
    private static let part: UInt64 = 999

    public init() {}

    /// Whether enough runs came since the last look: reading the counts of each address is expensive.
    ///
    /// - Parameter runs: of all groups since the pool was made.
    public func isDue(runs: UInt64) -> Bool { totalBefore.map { runs >= $0 + Self.leastRuns } ?? true }

    /// - Parameters:
    ///   - runs: as for `isDue`.
    ///   - tracked: of the whole pool, since it was made; `untracked`: runs of addresses beside them.
    ///   - isSpread: exporters are to go to at least two collectors.
    public mutating func look(runs: UInt64, _ tracked: [TrackedExporter], untracked: UInt64, isSpread: Bool) {
        let isFirst = totalBefore == nil
        totalBefore = runs
        let others = untracked - min(untracked, untrackedBefore)
        untrackedBefore = untracked
        defer { before = Dictionary(tracked.lazy.map { ($0.address, $0.runs) }, uniquingKeysWith: max) }
        loneSource = nil
        guard isSpread, !isFirst else { return }
        // No array of the increases: a large table takes megabytes.
        var (sum, most) = (UInt64(0), (address: IPAddress?.none, runs: UInt64(0)))
        for exporter in tracked {
            let runs = exporter.runs - min(exporter.runs, before[exporter.address] ?? 0)
            sum += runs
            if runs > most.runs { most = (exporter.address, runs) }
        }
        guard sum >= Self.leastRuns else { return }
        if most.runs * 1_000 >= (sum + others) * Self.part { loneSource = most.address }
    }
}
