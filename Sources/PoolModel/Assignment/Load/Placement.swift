/// Which collector each exporter is at, and what the collectors carry. Exporters
/// and collectors are indices here; loads are exact, in 128 bits.
package struct Placement {
    package struct Exporter {
        package let name: String
        package let bytes: UInt64
        /// Nil if its collector is not listed.
        package let home: Int?
    }

    package struct Collector {
        package let name: String
        package let weight: Double
        /// The bytes of exporters that stay where they are.
        package var fixed: UInt128 = 0
        /// The most bytes with which its ratio is within the bound.
        package var limit: UInt128 = 0
    }

    /// The movable ones, lightest first; equals by name, so that from the end
    /// the first name comes first.
    package let exporters: [Exporter]
    /// By name.
    private(set) var collectors: [Collector]
    /// The collector of each exporter.
    private(set) var place: [Int] = []
    /// Bytes at each collector.
    private(set) var carried: [UInt128]
    /// The movable exporters at each collector, lightest first.
    private(set) var held: [[Int]]
    /// Those of `held` that have a pin, because the collector is not their home.
    private(set) var away: [[Int]]
    package let total: UInt128
    let totalWeight: Double

    package init(loads: [Rebalance.Load], collectors listed: [(name: String, weight: Int)], bound: Double) {
        collectors = listed.sorted { $0.name < $1.name }.map { Collector(name: $0.name, weight: Double($0.weight)) }
        totalWeight = collectors.reduce(0) { $0 + $1.weight }
        let indices = Dictionary(zip(collectors.map(\.name), collectors.indices)) { first, _ in first }
        carried = collectors.map { _ in 0 }
        held = collectors.map { _ in [] }
        away = collectors.map { _ in [] }

        var movable: [(exporter: Exporter, place: Int)] = []
        for load in loads {
            let home = indices[load.home]
            guard let place = indices[load.collector] ?? home else { continue }
            carried[place] += UInt128(load.bytes)
            if load.isMovable {
                movable.append((Exporter(name: load.exporter, bytes: load.bytes, home: home), place))
            } else {
                collectors[place].fixed += UInt128(load.bytes)
            }
        }
        movable.sort { left, right in
            (left.exporter.bytes, right.exporter.name) < (right.exporter.bytes, left.exporter.name)
        }
        exporters = movable.map(\.exporter)
        place = movable.map(\.place)
        total = carried.reduce(0, +)
        for (exporter, place) in place.enumerated() {
            held[place].append(exporter)
            if isAway(exporter) { away[place].append(exporter) }
        }
        for index in collectors.indices { collectors[index].limit = mostBytes(at: index, bound: bound) }
    }

    /// What the collector would carry relative to its share, if it carried that.
    package func ratio(of bytes: UInt128, at collector: Int) -> Double {
        total == 0 ? 1 : Double(bytes) * totalWeight / (collectors[collector].weight * Double(total))
    }

    package func ratio(at collector: Int) -> Double { ratio(of: carried[collector], at: collector) }

    var highestRatio: Double { collectors.indices.lazy.map(ratio(at:)).max() ?? 1 }

    /// Of the collectors that are over their limit, the highest first.
    var ratiosOverLimit: [Double] {
        collectors.indices.filter { carried[$0] > collectors[$0].limit }.map(ratio(at:)).sorted(by: >)
    }

    /// By more than 1% at the worst collector over the limit that makes a difference.
    func isNearer(than other: Placement) -> Bool {
        let (ours, theirs) = (ratiosOverLimit, other.ratiosOverLimit)
        for (our, their) in zip(ours, theirs) where abs(our - their) > 0.01 * max(our, their) { return our < their }
        return ours.count < theirs.count
    }

    /// What fits at a collector under its limit.
    package func room(at collector: Int) -> UInt128 {
        let limit = collectors[collector].limit
        return limit < carried[collector] ? 0 : limit - carried[collector]
    }

    package func bytes(_ exporter: Int) -> UInt128 { UInt128(exporters[exporter].bytes) }

    func isAway(_ exporter: Int) -> Bool { place[exporter] != exporters[exporter].home }

    package mutating func move(_ exporter: Int, to collector: Int) {
        let giver = place[exporter]
        if isAway(exporter) { away[giver].remove(at: away[giver].partition { $0 >= exporter }) }
        held[giver].remove(at: held[giver].partition { $0 >= exporter })
        held[collector].insert(exporter, at: held[collector].partition { $0 >= exporter })
        carried[giver] -= bytes(exporter)
        carried[collector] += bytes(exporter)
        place[exporter] = collector
        if isAway(exporter) { away[collector].insert(exporter, at: away[collector].partition { $0 >= exporter }) }
    }

    /// The position in a list, lightest first, of the first exporter with that many bytes or more.
    package func firstIndex(in list: [Int], from bytes: UInt128) -> Int { list.partition { self.bytes($0) >= bytes } }

    /// The largest load that is within the bound, so that integers tell the same
    /// as `ratio` does.
    private func mostBytes(at collector: Int, bound: Double) -> UInt128 {
        var (low, high) = (UInt128(0), total)
        while low < high {
            let middle = high - (high - low) / 2
            if ratio(of: middle, at: collector) <= bound { low = middle } else { high = middle - 1 }
        }
        return low
    }
}

extension [Int] {
    /// Where the elements begin for which it holds; those come last.
    fileprivate func partition(where holds: (Int) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if holds(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
