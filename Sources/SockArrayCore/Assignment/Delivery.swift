/// Where the program would send a run, told without running it: the same steps
/// over the same row and the same states.
public enum Delivery: Equatable, Sendable {
    case selected(Slot)
    case failedOver(Slot)
    /// Dropped: the slot is away, and its exporters wait for it.
    case held(Slot)
    /// Dropped: no usable collector.
    case noCollector

    /// - Parameter index: the row's.
    public init(row: BucketRow, at index: Int, _ availability: SlotAvailability) {
        guard let slot = availability.deliverer(of: row, at: index) else {
            self = .noCollector
            return
        }
        self = availability[slot] == .held ? .held(slot) : slot == row.owner ? .selected(slot) : .failedOver(slot)
    }

    /// Who gets it, or is waited for.
    public var slot: Slot? {
        switch self {
        case .selected(let slot), .failedOver(let slot), .held(let slot): slot
        case .noCollector: nil
        }
    }

    /// Of the outcome that the run is counted as.
    public var name: String {
        switch self {
        case .selected: "selected"
        case .failedOver: "failed_over"
        case .held: "held"
        case .noCollector: "no_collector"
        }
    }
}
