import PoolModel

/// The rows of a pool's table at one moment, small enough to read and draw every few
/// seconds: the content of GET /table.
public struct TableStatus: Equatable, Sendable, Codable {
    /// Maximum number of cells: a byte each, in base64.
    public static let cellLimit = 65_536

    public var pool: String
    public var assignment: String
    public var tableSize: Int
    /// Seconds.
    public var restartHold: Double
    /// In the order of GET /status.
    public var collectors: [Collector]
    /// Base64 of a byte for each cell: the slot that owns the row. A cell is a row, or one of
    /// `cellLimit` evenly spaced rows of a larger table. A slot without a collector: no owner.
    public var owners: String
    /// Base64 of a byte for each cell: the slot that the row's exporters are at, or are held for; the
    /// owner's if no collector is usable. Nil if the assignment ignores addresses.
    public var now: String?

    /// A collector and its numbers of rows, including rows that have no cell.
    public struct Collector: Equatable, Sendable, Codable {
        public var name: String
        public var slot: Int
        /// usable: it receives its traffic; held: its traffic is dropped until it returns;
        /// away: the next rank receives its traffic.
        public var standing: String
        /// Rows that the collector owns, or will own when sessions at other collectors have ended.
        public var owned = 0
        /// Rows whose traffic the collector receives now.
        public var served = 0
        /// Of the received rows, those that another collector owns.
        public var servedOfOthers = 0
        /// Rows whose exporters are held for the collector.
        public var waiting = 0
        /// Rows that the collector owns and no collector can receive.
        public var lost = 0

        public init(name: String, slot: Int, standing: SlotState.Standing) {
            self.name = name
            self.slot = slot
            self.standing = "\(standing)"
        }
    }

    public init(_ snapshot: RowSnapshot) {
        let configuration = snapshot.configuration
        self.init(
            pool: configuration.pool, assignment: configuration.assignment.rawValue, tableSize: snapshot.rows.count,
            restartHold: configuration.restartHold / .seconds(1),
            collectors: snapshot.collectors.map {
                Collector(name: $0.name, slot: Int($0.slot.index), standing: snapshot.availability[$0.slot])
            },
            hasAffinity: configuration.assignment.hasAffinity, snapshot.availability
        ) { (snapshot.rows[$0], snapshot.waiting[$0]) }
    }

    /// - Parameters:
    ///   - collectors: without counts.
    ///   - hasAffinity: a row belongs to exporters, and isn't a turn.
    ///   - row: returns, for an index, the program's row and its target, if the row waits for the
    ///     end of sessions.
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
