/// Predicts where the program sends a run, by the same steps over the same row and the
/// same slot states.
public enum Delivery: Equatable, Sendable {
    case selected(Slot)
    case failedOver(Slot)
    /// Dropped: the slot's collector is absent, and its exporters are held.
    case held(Slot)
    /// Dropped: no usable collector.
    case noCollector

    /// - Parameter index: the row's index.
    public init(row: BucketRow, at index: Int, _ availability: SlotAvailability) {
        guard let slot = availability.deliverer(of: row, at: index) else {
            self = .noCollector
            return
        }
        self = availability[slot] == .held ? .held(slot) : slot == row.owner ? .selected(slot) : .failedOver(slot)
    }

    /// The slot that receives the run, or that the run is held for.
    public var slot: Slot? {
        switch self {
        case .selected(let slot), .failedOver(let slot), .held(let slot): slot
        case .noCollector: nil
        }
    }

    /// Name of the outcome that counts the run.
    public var name: String {
        switch self {
        case .selected: "selected"
        case .failedOver: "failed_over"
        case .held: "held"
        case .noCollector: "no_collector"
        }
    }
}
