/// The table that a configuration gives, without a kernel: every collector active.
public struct AssignmentPlan: Sendable {
    public let rows: [BucketRow]
    public let table: AssignmentTable
    private let slots: SlotAllocation

    /// - Parameter slots: nil: those of a fresh pool.
    public init(_ configuration: PoolConfiguration, pins: [Pin] = [], slots: SlotAllocation? = nil) {
        self.slots = slots ?? SlotAllocation(names: configuration.collectors.map(\.name))
        table = AssignmentTable(configuration, pins: pins)
        rows = table.rows(for: Contender.all(of: configuration, self.slots))
    }

    public func explain(_ address: IPAddress) -> Explanation {
        guard let place = table.place(of: address) else {
            return Explanation(
                address: address, assignment: table.assignment, collectors: slots.slotOfName.keys.sorted(),
                isAnyActive: true)
        }
        let row = rows[place.row]
        let delivery = Delivery(
            row: row, hash: table.hash(address), state: { _ in .active }, wasFilled: { _ in true })
        let names = slots.nameOfSlot
        return Explanation(address: address, place: place, row: row, delivery: delivery) { names[$0] ?? "" }
    }

    /// The owner's name; nil where the address doesn't decide.
    public func owner(of address: IPAddress) -> String? {
        guard let place = table.place(of: address), let slot = rows[place.row].owner else { return nil }
        return slots.nameOfSlot[slot]
    }
}
