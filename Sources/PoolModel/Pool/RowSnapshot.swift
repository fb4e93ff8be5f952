/// The rows of a pool's table at one moment.
public struct RowSnapshot: Sendable {
    public var configuration: PoolConfiguration
    /// The rows that the program has, without those of exporters with a row of their own.
    public var rows: [BucketRow]
    /// The target row of each pending move, by row index.
    public var waiting: [Int: BucketRow]
    public var availability: SlotAvailability
    /// In the order of GET /status.
    public var collectors: [(name: String, slot: Slot)]

    public init(
        _ configuration: PoolConfiguration, rows: [BucketRow], waiting: [Int: BucketRow],
        _ availability: SlotAvailability, collectors: [(name: String, slot: Slot)]
    ) {
        (self.configuration, self.rows, self.waiting) = (configuration, rows, waiting)
        (self.availability, self.collectors) = (availability, collectors)
    }
}
