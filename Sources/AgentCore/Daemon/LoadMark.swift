import SockArrayCore

/// What each address had sent when a measurement for `rebalance` was begun.
struct LoadMark {
    private var sightings: [IPAddress: Sighting] = [:]
    private var number = 0

    /// - Returns: the measurement's number.
    mutating func set(_ seen: [Sighting]) -> Int {
        sightings = Dictionary(seen.map { ($0.address, $0) }, uniquingKeysWith: { $0.runs > $1.runs ? $0 : $1 })
        number += 1
        return number
    }

    /// What came since the mark of that number; nil: since ever.
    ///
    /// - Throws: `.conflict` if it isn't the last one.
    func loads(of seen: [Sighting], sinceMark number: Int?, act: String) throws(Failure) -> [Sighting] {
        guard let number else { return seen }
        guard number == self.number else {
            throw Failure(
                .conflict, act: act,
                cause: "the agent was started again during the measurement, or another one was begun",
                remedy: "repeat it")
        }
        return seen.compactMap { now in
            guard let before = sightings[now.address] else { return now }
            return now.since(before)
        }
    }
}
