/// The table that a configuration gives, without a kernel.
public struct AssignmentPlan: Sendable {
    public let rows: [BucketRow]
    private let hash: ExporterHash
    private let names: [Slot: String]

    public init(configuration: PoolConfiguration, tableSize: Int = BucketRow.defaultTableSize) {
        let slots = SlotAllocation(names: configuration.collectors.map(\.name))
        hash = ExporterHash(seed: configuration.seed)
        names = Dictionary(uniqueKeysWithValues: slots.slotOfName.map { ($0.value, $0.key) })
        rows = Rendezvous(seed: configuration.seed).table(
            of: Contender.all(of: configuration, slots), tableSize: tableSize)
    }

    public func explain(_ address: IPAddress) -> Explanation {
        let bucket = hash.bucket(of: address, tableSize: rows.count)
        let row = rows[Int(bucket.index)]
        let delivery = Delivery(row: row, hash: hash(address), state: { _ in .active }, wasFilled: { _ in true })
        return Explanation(address: address, bucket: bucket, row: row, delivery: delivery) { names[$0] ?? "" }
    }
}
