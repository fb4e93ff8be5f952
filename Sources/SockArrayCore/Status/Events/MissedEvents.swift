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

    /// Nil: none were.
    ///
    /// - Parameters:
    ///   - number: of the last event that the reader has.
    ///   - last: number of the last event that there was.
    ///   - kept: how many of those between are still there. They may be before those that are missed, too.
    public init?(after number: UInt64, last: UInt64, kept: Int) {
        let count = last - min(number, last)
        guard count > kept else { return nil }
        let missed = count - UInt64(kept)
        self.init(missed: missed, text: "events that are no longer kept: \(missed)")
    }
}
