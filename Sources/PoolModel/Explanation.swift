/// The collector of an exporter, and why: one line of `explain --json`.
public struct Explanation: Equatable, Sendable, Codable {
    public var address: String
    /// The exporter's identity: its name in the configuration, or its address,
    /// IPv4 also where it came IPv4-mapped.
    public var exporter: String
    /// Nil where the address doesn't decide.
    public var bucket: Int?
    /// Collectors, the owner first; all that take turns, where the address doesn't decide.
    public var ranks: [String]
    /// The collector that receives it, or that it is held for; nil if none can, or any may.
    public var collector: String?
    /// owner, alias (owner of the bucket that the exporter's name gives), pin,
    /// failover, session (it has a BMP session there, and goes to its owner when
    /// that ends); round-robin or kernel where the address doesn't decide; nil if
    /// nobody gets it.
    public var why: String?
    /// The outcome that a run is counted as: selected, failed_over, held, no_collector.
    public var outcome: String

    /// - Parameters:
    ///   - row: that the program has.
    ///   - desired: what that is to become when its exporters' sessions have ended.
    public init(
        address: IPAddress, place: AssignmentTable.Place, row: BucketRow, desired: BucketRow? = nil,
        _ availability: SlotAvailability, name: (Slot) -> String
    ) {
        self.address = "\(address)"
        exporter = place.exporter
        bucket = Int(place.bucket.index)
        ranks = (desired ?? row).ranks.map(name)
        let delivery = Delivery(row: row, at: place.row, availability)
        collector = delivery.slot.map(name)
        outcome = delivery.name
        guard let slot = delivery.slot else { return }
        let owner = (desired ?? row).owner
        if slot == owner {
            why = place.reason.why
        } else if desired != nil, let owner, availability[owner] == .usable {
            why = "session"
        } else {
            why = "failover"
        }
    }

    /// Of an assignment without affinity.
    public init(address: IPAddress, assignment: Assignment, collectors: [String], isAnyActive: Bool) {
        self.address = "\(address)"
        exporter = "\(address.unmapped)"
        ranks = collectors
        why = isAnyActive ? assignment.rawValue : nil
        outcome = isAnyActive ? "selected" : "no_collector"
    }
}

extension AssignmentTable.Place.Reason {
    fileprivate var why: String {
        switch self {
        case .address: "owner"
        case .alias: "alias"
        case .pin: "pin"
        }
    }
}
