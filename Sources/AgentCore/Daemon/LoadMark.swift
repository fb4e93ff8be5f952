import PoolModel

/// The counts of each address at the start of a measurement for `rebalance`.
struct LoadMark {
    private var tracked: [IPAddress: TrackedExporter] = [:]
    private var number = 0

    /// - Returns: the measurement's number.
    mutating func set(_ seen: [TrackedExporter]) -> Int {
        tracked = Dictionary(seen.map { ($0.address, $0) }, uniquingKeysWith: { $0.runs > $1.runs ? $0 : $1 })
        number += 1
        return number
    }

    /// The counts since the mark with that number; nil means all counts.
    ///
    /// - Throws: `.conflict` if it isn't the last mark.
    func loads(of seen: [TrackedExporter], sinceMark number: Int?, act: String) throws(Failure) -> [TrackedExporter] {
        guard let number else { return seen }
        guard number == self.number else {
            throw Failure(
                .conflict, act: act,
                cause: "the agent restarted, or another measurement started, during this one",
                remedy: "repeat the command")
        }
        return seen.compactMap { now in
            guard let before = tracked[now.address] else { return now }
            return now.since(before)
        }
    }
}
