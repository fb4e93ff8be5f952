import PoolModel

/// The batches in the queue's folder, in order.
///
/// The first batch with events never changes, because its delivery may be in progress. If the folder has
/// reached its size limit, new events are merged into the last batch. The newest batch always stays,
/// because its file has the ledger.
public struct UsageQueue: Sendable {
    /// The file of a batch.
    public struct Batch: Equatable, Sendable {
        public let number: UInt64
        public let bytes: Int
        public let events: Int

        /// - Returns: nil if the content of the file isn't complete lines.
        public init?(_ number: UInt64, _ content: [UInt8]) {
            let newline = UInt8(ascii: "\n")
            guard content.last == newline else { return nil }
            (self.number, bytes, events) = (number, content.count, content.count { $0 == newline } - 1)
        }
    }

    private var batches: [Batch]
    /// Sums over all batches, kept because each turn of the agent's loop reads them.
    public private(set) var (pendingEvents, bytes) = (0, 0)
    /// The ledger on the disk.
    public private(set) var ledger: UsageLedger
    /// Why a crash of the machine may undo the last change of the folder, as a positive errno; nil if it
    /// can't.
    public private(set) var unsettled: Int32?

    public init(_ batches: [Batch], ledger: UsageLedger) {
        self.batches = batches
        self.ledger = ledger
        addUp()
    }

    private mutating func addUp() {
        (pendingEvents, bytes) = batches.reduce((0, 0)) { ($0.0 + $1.events, $0.1 + $1.bytes) }
    }

    /// The next batch to deliver.
    public var head: Batch? { batches.first { $0.events > 0 } }

    /// Whether the file of the next batch has the ledger.
    public var isHeadNewest: Bool { head?.number == batches.last?.number }

    /// The number of a delivered batch whose file stays only for the ledger.
    public var emptied: UInt64? { batches.last.flatMap { $0.events == 0 ? $0.number : nil } }

    /// The number of the last batch, if there is no room for a new one and the last one isn't on its way.
    public func mergeable(limit: Int) -> UInt64? {
        bytes >= limit && !isHeadNewest && emptied == nil ? batches.last?.number : nil
    }

    /// The file of the newest batch, which has the ledger, was written.
    public mutating func write(_ newest: Batch, _ ledger: UsageLedger, unsettled: Int32?) {
        batches.removeAll { $0.number == newest.number }
        batches.append(newest)
        (self.ledger, self.unsettled) = (ledger, unsettled)
        addUp()
    }

    /// The file of a batch was removed.
    public mutating func remove(_ number: UInt64, unsettled: Int32? = nil) {
        batches.removeAll { $0.number == number }
        self.unsettled = unsettled
        addUp()
    }
}
