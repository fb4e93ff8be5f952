/// A collector at one moment, as events compare it.
public struct CollectorMoment: Equatable, Sendable {
    public var name: String
    /// Number of its registrations.
    public var registrations: UInt64
    public var state: SlotState

    public init(name: String, registrations: UInt64, state: SlotState) {
        self.name = name
        self.registrations = registrations
        self.state = state
    }
}
