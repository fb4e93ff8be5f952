/// The state of a slot, the same in all groups of the pool.
public enum SlotState: Equatable, Sendable {
    /// The slot never had a collector. The first run for it starts the hold clock.
    case empty
    /// The slot never had a collector, and its exporters aren't held: they are at
    /// their next ranks, as before the name came to a running pool.
    case absent
    /// The collector receives what the table assigns to it.
    case active
    /// The collector keeps its sessions, and receives no new exporters.
    case draining
    /// The collector is absent; its exporters are held for the time that is left.
    case holding(left: Duration)
    /// The hold is over; its exporters are at their next ranks.
    case failed

    /// - Parameters:
    ///   - registrations: number of the slot's registrations.
    ///   - downFor: time since the slot is vacant; nil: it isn't.
    ///   - isFilled: the slot is registered, and none of its sockets is gone.
    ///   - isDraining: the collector drains.
    public init(
        registrations: UInt64, downFor: Duration?, hold: Duration, isFilled: Bool, isDraining: Bool = false
    ) {
        switch downFor {
        case .some(let time) where time < hold: self = .holding(left: hold - time)
        case .some where registrations == 0: self = .absent
        case .some: self = .failed
        case nil where isFilled: self = isDraining ? .draining : .active
        case nil where registrations == 0: self = .empty
        // A socket is gone, and no run has come across it yet.
        case nil: self = .holding(left: hold)
        }
    }

    public var name: String {
        switch self {
        case .empty, .absent: "empty"
        case .active: "active"
        case .draining: "draining"
        case .holding: "holding"
        case .failed: "failed"
        }
    }

    /// All values of `name`.
    public static let names = ["active", "draining", "empty", "failed", "holding"]
}
