/// A reader of GET /events has not had all: the data of its event `missed`.
public struct MissedEvents: Equatable, Sendable, Codable {
    /// How many; nil: it can't be known, for the agent was started again.
    public var missed: UInt64?
    /// A sentence for people.
    public var text: String

    public init(missed: UInt64?, text: String) {
        self.missed = missed
        self.text = text
    }
}
