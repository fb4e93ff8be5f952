/// The data of the event `missed`: a reader of GET /events didn't get every event.
public struct MissedEvents: Equatable, Sendable, Codable {
    /// How many; nil: unknown, because the agent was restarted.
    public var missed: UInt64?
    /// A sentence for people.
    public var text: String

    public init(missed: UInt64?, text: String) {
        self.missed = missed
        self.text = text
    }

    /// Nil if the reader missed none.
    ///
    /// - Parameters:
    ///   - number: of the last event that the reader has.
    ///   - last: number of the newest event.
    ///   - kept: how many of the events between are still kept. They may also be before the missed ones.
    public init?(after number: UInt64, last: UInt64, kept: Int) {
        let count = last - min(number, last)
        guard count > kept else { return nil }
        let missed = count - UInt64(kept)
        self.init(missed: missed, text: "events that are no longer kept: \(missed)")
    }
}
