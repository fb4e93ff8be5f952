/// What a slot does for its exporters, in all groups of the pool alike.
public enum SlotState: Equatable, Sendable {
    /// It never had a collector. The first run that finds it so starts the hold clock.
    case empty
    /// It never had a collector, and its exporters don't wait for one: they are at
    /// their next ranks, as before the name came to a running pool.
    case absent
    /// Its collector gets what the table gives it.
    case active
    /// Its collector keeps what it has, and gets nothing new.
    case draining
    /// Its collector is away; its exporters wait for it that much longer.
    case holding(left: Duration)
    /// The hold is over; its exporters are at their next ranks.
    case failed

    /// - Parameters:
    ///   - registrations: how often the slot was filled.
    ///   - downFor: since the program found it vacant; nil: it didn't.
    ///   - isFilled: it was registered, and none of its sockets is gone.
    ///   - isDraining: it is to get empty.
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

    /// Each that `name` may be.
    public static let names = ["active", "draining", "empty", "failed", "holding"]
}
