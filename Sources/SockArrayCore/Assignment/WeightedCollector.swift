/// A collector as the assignment sees it.
public struct WeightedCollector: Equatable, Sendable {
    public let name: String
    /// Share of the rows relative to the other candidates' weights, at least 1.
    public let weight: Int
    /// Where the rows name it; the choice among candidates doesn't depend on it.
    public let slot: Slot

    public init(name: String, weight: Int = 1, slot: Slot) {
        self.name = name
        self.weight = weight
        self.slot = slot
    }
}
