import PoolModel

/// The table that a configuration gives, without a kernel: every collector active.
public struct AssignmentPlan: Sendable {
    public let configuration: PoolConfiguration
    public let rows: [BucketRow]
    public let table: AssignmentTable
    private let nameOfSlot: [Slot: String]

    public init(_ configuration: PoolConfiguration, pins: [Pin] = []) {
        self.configuration = configuration
        let slots = SlotAllocation(names: configuration.collectors.map(\.name))
        table = AssignmentTable(configuration, pins: pins)
        rows = table.rows(for: WeightedCollector.all(of: configuration, slots))
        nameOfSlot = slots.nameOfSlot
    }

    public func explain(_ address: IPAddress) -> Explanation {
        guard let place = table.place(of: address) else {
            return Explanation(
                address: address, assignment: table.assignment, collectors: nameOfSlot.values.sorted(),
                isAnyActive: true)
        }
        let row = rows[place.row]
        return Explanation(address: address, place: place, row: row, .all(nameOfSlot.keys)) {
            nameOfSlot[$0] ?? ""
        }
    }

    /// The owner's name; nil where the address doesn't decide.
    public func owner(of address: IPAddress) -> String? {
        guard let place = table.place(of: address), let slot = rows[place.row].owner else { return nil }
        return nameOfSlot[slot]
    }

    package var weights: [String: Int] {
        Dictionary(configuration.collectors.map { ($0.name, $0.weight) }, uniquingKeysWith: { first, _ in first })
    }

    /// Of the table's rows.
    var ownersByRow: [String?] { rows.prefix(table.tableSize).map { $0.owner.flatMap { nameOfSlot[$0] } } }

    /// Part of the table's rows that each collector owns.
    package var shares: [String: Double] {
        var owned: [String: Int] = [:]
        for case let owner? in ownersByRow { owned[owner, default: 0] += 1 }
        return owned.mapValues { Double($0) / Double(table.tableSize) }
    }
}
