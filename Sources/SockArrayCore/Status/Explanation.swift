/// Where an exporter goes, and why: one line of `explain --json`.
public struct Explanation: Equatable, Sendable, Codable {
    public var address: String
    /// The exporter's identity: its address, IPv4 also where it came IPv4-mapped.
    public var exporter: String
    public var bucket: Int
    /// Collectors, the owner first.
    public var ranks: [String]
    /// Who gets it, or who it waits for; nil if nobody can.
    public var collector: String?
    /// owner, failover; nil if nobody gets it.
    public var why: String?
    /// The outcome that a run is counted as: selected, failed_over, held, no_collector.
    public var outcome: String

    public init(address: IPAddress, bucket: Bucket, row: BucketRow, delivery: Delivery, name: (Slot) -> String) {
        self.address = "\(address)"
        exporter = "\(address.unmapped)"
        self.bucket = Int(bucket.index)
        ranks = row.ranks.map(name)
        switch delivery {
        case .selected(let slot): (collector, why, outcome) = (name(slot), "owner", "selected")
        case .failedOver(let slot): (collector, why, outcome) = (name(slot), "failover", "failed_over")
        case .held(let slot):
            (collector, why, outcome) = (name(slot), slot == row.owner ? "owner" : "failover", "held")
        case .noCollector: (collector, why, outcome) = (nil, nil, "no_collector")
        }
    }
}
