/// The slot that each row of the table delivers to, or is held for, at one moment.
public struct RowDeliveries: Equatable, Sendable {
    private let slots: [Slot?]
    private let shape: GenerationShape

    package init(_ slots: [Slot?], _ shape: GenerationShape) {
        self.slots = slots
        self.shape = shape
    }

    public struct Shift: Equatable, Sendable {
        public var from: Slot
        public var to: Slot
        public var rows: Int
    }

    public var count: Int { slots.count }

    /// Rows that moved, most first; rows without a slot before or after don't count.
    /// Nil: the two tables differ in their assignment.
    public func shifts(to later: RowDeliveries) -> [Shift]? {
        guard later.shape.keepsAssignment(of: shape), later.count == count else { return nil }
        var rows: [Slot: [Slot: Int]] = [:]
        for (from, to) in zip(slots, later.slots) where from != to {
            if let from, let to { rows[from, default: [:]][to, default: 0] += 1 }
        }
        return rows.flatMap { from, targets in targets.map { Shift(from: from, to: $0.key, rows: $0.value) } }
            .sorted { ($1.rows, $0.from, $0.to) < ($0.rows, $1.from, $1.to) }
    }

    /// `512 of 65536 rows: c1 -> c2 300, c1 -> c3 212`; nil where none moved.
    public static func text(of shifts: [Shift], total: Int, name: (Slot) -> String) -> String? {
        if shifts.isEmpty { return nil }
        let sum = shifts.reduce(0) { $0 + $1.rows }
        let parts = shifts.prefix(4).map { "\(name($0.from)) -> \(name($0.to)) \($0.rows)" }
        return "\(sum) of \(total) rows: " + parts.joined(separator: ", ") + (shifts.count > 4 ? " and others" : "")
    }
}
