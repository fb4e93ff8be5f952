/// A collector as the assignment sees it.
public struct WeightedCollector: Equatable, Sendable {
    public let name: String
    /// Share of the rows relative to other candidates' weights, at least 1.
    public let weight: Int
    /// The slot that the rows name; it doesn't influence the choice among candidates.
    public let slot: Slot

    public init(name: String, weight: Int = 1, slot: Slot) {
        self.name = name
        self.weight = weight
        self.slot = slot
    }
}
