/// Where the program would send a run, told without running it: the same steps
/// over the same row and the same states.
public enum Delivery: Equatable, Sendable {
    case selected(Slot)
    case failedOver(Slot)
    /// Dropped: the slot is away, and its exporters wait for it.
    case held(Slot)
    /// Dropped: no usable collector.
    case noCollector

    /// - Parameters:
    ///   - state: of any slot.
    ///   - wasFilled: whether the slot ever had a collector.
    ///   - hash: the exporter's; its lower half orders the slots beyond the ranks.
    public init(
        row: BucketRow, hash: UInt64, state: (Slot) -> SlotState, wasFilled: (Slot) -> Bool
    ) {
        for (rank, slot) in row.ranks.enumerated() {
            switch state(slot) {
            case .active:
                self = rank == 0 ? .selected(slot) : .failedOver(slot)
                return
            case .holding, .empty:
                self = .held(slot)
                return
            case .failed, .absent: continue
            }
        }
        let start = Int(hash & 0xffff_ffff)
        for step in 0..<SlotAllocation.capacity {
            let slot = Slot(UInt16((start + step) % SlotAllocation.capacity))
            if wasFilled(slot), state(slot) == .active {
                self = .failedOver(slot)
                return
            }
        }
        self = .noCollector
    }
}
