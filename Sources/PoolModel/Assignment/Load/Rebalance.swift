/// Which exporters to pin to which collectors, so that no collector carries much
/// more than its share: the hash evens out exporters, not bytes.
///
/// A collector's ratio is its load over its weight's share of the total load:
/// 1.0 is perfect. The plan brings the highest ratio to at most a bound with few
/// pins, heavy exporters first. The fewest pins would take bin packing; `BeamSearch`
/// approximates it. While the bound holds, nothing changes. The order of loads and
/// collectors has no effect: equal ones are ordered by name.
public struct Rebalance: Equatable, Sendable {
    /// What an exporter sends, and where to. Each exporter has one.
    public struct Load: Equatable, Sendable {
        public let exporter: String
        /// Where it is at present.
        public let collector: String
        /// Where it is without the pin of an earlier plan; `collector` if it has none.
        public let home: String
        /// Sent in some period, the same for all loads.
        public let bytes: UInt64
        /// False for an exporter that the configuration pins.
        public let isMovable: Bool

        public init(exporter: String, collector: String, home: String, bytes: UInt64, isMovable: Bool = true) {
            self.exporter = exporter
            self.collector = collector
            self.home = home
            self.bytes = bytes
            self.isMovable = isMovable
        }
    }

    /// An exporter whose collector changes.
    public struct Move: Equatable, Sendable, Codable {
        public let exporter: String
        public let from: String
        public let to: String
        public let bytes: UInt64

        package init(exporter: String, from: String, to: String, bytes: UInt64) {
            (self.exporter, self.from, self.to, self.bytes) = (exporter, from, to, bytes)
        }
    }

    /// All that are to hold from now on, heaviest exporter first: kept ones and
    /// new ones. An exporter at home has none, nor has one that is not movable.
    public let pins: [Pin]
    /// Heaviest first. An exporter whose pin is dropped moves home.
    public let moved: [Move]
    /// The highest ratio at present; 1.0 where there is no load.
    public let before: Double
    /// The highest ratio once the exporters have moved.
    public let after: Double
    /// False where one exporter alone is too heavy, or no way was found; `after`
    /// is then as near as the plan came. A too heavy exporter keeps companions
    /// of up to 1% of its bytes.
    public let isReached: Bool

    /// - Parameters:
    ///   - loads: of an exporter at an unlisted collector, the pin is void and it
    ///     is taken to be at home; if that is unlisted as well, it is left out.
    ///   - collectors: each name once, weights from 1 on.
    ///   - bound: of the highest ratio, above 1.0.
    public init(loads: [Load], collectors: [(name: String, weight: Int)], bound: Double) {
        let start = Placement(loads: loads, collectors: collectors, bound: bound)
        before = start.highestRatio
        let end = before <= bound ? start : BeamSearch.best(from: start)
        after = end.highestRatio
        isReached = after <= bound

        let names = end.collectors.map(\.name)
        let heaviestFirst = end.exporters.indices.reversed()
        pins = heaviestFirst.filter(end.isAway).map {
            Pin(exporter: end.exporters[$0].name, collector: names[end.place[$0]])
        }
        moved = heaviestFirst.filter { start.place[$0] != end.place[$0] }.map {
            let exporter = end.exporters[$0]
            return Move(
                exporter: exporter.name, from: names[start.place[$0]], to: names[end.place[$0]],
                bytes: exporter.bytes)
        }
    }
}
