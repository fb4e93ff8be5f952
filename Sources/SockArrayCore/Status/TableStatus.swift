/// The rows of a pool's table at one moment, short enough to be drawn every few
/// seconds: the content of GET /table.
public struct TableStatus: Equatable, Sendable, Codable {
    /// Cells at most: a byte each, in base64.
    public static let cellLimit = 65_536

    public var pool: String
    public var assignment: String
    public var tableSize: Int
    /// Seconds.
    public var restartHold: Double
    /// In the order of GET /status.
    public var collectors: [Collector]
    /// Base64 of a byte a cell: the slot that owns the row. A cell is a row, or one of
    /// `cellLimit` evenly spaced ones of a larger table. A slot that no collector has: nobody.
    public var owners: String
    /// The same: the slot that the row's exporters are with, or wait for; the owner's
    /// where nobody can have them. Nil where the address doesn't decide.
    public var now: String?

    /// A collector, and how many rows, also those that have no cell.
    public struct Collector: Equatable, Sendable, Codable {
        public var name: String
        public var slot: Int
        /// usable: it gets what comes to it; held: that is dropped, for it is waited for;
        /// away: the next rank gets it.
        public var standing: String
        /// Rows that it owns, or is to own when sessions elsewhere have ended.
        public var owned = 0
        /// Rows that it gets now.
        public var served = 0
        /// Of these, those that another one owns.
        public var servedOfOthers = 0
        /// Rows whose exporters wait for it.
        public var waiting = 0
        /// Rows that it owns and nobody can have.
        public var lost = 0

        public init(name: String, slot: Int, standing: SlotAvailability.Standing) {
            self.name = name
            self.slot = slot
            self.standing = "\(standing)"
        }
    }

    /// - Parameters:
    ///   - collectors: without counts.
    ///   - hasAffinity: a row is an exporter's, and not a turn.
    ///   - row: at an index: the one that the program has, and what that is to become
    ///     when its exporters' sessions have ended, if that is another.
    public init(
        pool: String, assignment: String, tableSize: Int, restartHold: Double, collectors: [Collector],
        hasAffinity: Bool, _ availability: SlotAvailability, row: (Int) -> (present: BucketRow, desired: BucketRow?)
    ) {
        self.pool = pool
        self.assignment = assignment
        self.tableSize = tableSize
        self.restartHold = restartHold
        var counts = [Collector](
            repeating: Collector(name: "", slot: 0, standing: .away), count: SlotAllocation.capacity)
        let named = Set(collectors.map(\.slot))
        let nobody = UInt8((0..<SlotAllocation.capacity).first { !named.contains($0) } ?? 255)
        let cellCount = min(tableSize, Self.cellLimit)
        var (ownerCells, nowCells) = ([UInt8](), [UInt8]())
        ownerCells.reserveCapacity(cellCount)
        nowCells.reserveCapacity(cellCount)
        for index in 0..<tableSize {
            let (present, desired) = row(index)
            let owner = (desired ?? present).owner
            let deliverer = hasAffinity ? availability.deliverer(of: present, at: index) : owner
            if let owner { counts[Int(owner.index)].owned += 1 }
            switch (deliverer, deliverer.map { hasAffinity ? availability[$0] : .usable }) {
            case (let slot?, .usable):
                counts[Int(slot.index)].served += 1
                if slot != owner { counts[Int(slot.index)].servedOfOthers += 1 }
            case (let slot?, .held): counts[Int(slot.index)].waiting += 1
            default: if let owner { counts[Int(owner.index)].lost += 1 }
            }
            // The first row of each cell.
            if ownerCells.count * tableSize <= index * cellCount {
                ownerCells.append(owner.map { UInt8(truncatingIfNeeded: $0.index) } ?? nobody)
                nowCells.append((deliverer ?? owner).map { UInt8(truncatingIfNeeded: $0.index) } ?? nobody)
            }
        }
        self.collectors = collectors.map { collector in
            var counted = counts[collector.slot]
            (counted.name, counted.slot, counted.standing) = (collector.name, collector.slot, collector.standing)
            return counted
        }
        owners = Base64.text(of: ownerCells)
        now = hasAffinity ? Base64.text(of: nowCells) : nil
    }
}
