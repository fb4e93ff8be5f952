/// The last events of a pool, in their order: what a reader of GET /events that
/// comes late can still have.
public struct EventLog: Sendable {
    /// How many are kept.
    public static let capacity = 256
    private var kept: [PoolEvent] = []
    public private(set) var lastID: UInt64 = 0

    public init() {}

    /// - Parameter time: Unix time in seconds.
    public mutating func add(
        _ kind: PoolEvent.Kind, at time: Double, collector: String? = nil, exporter: String? = nil, _ text: String
    ) {
        lastID += 1
        if kept.count == Self.capacity { kept.removeFirst() }
        kept.append(
            PoolEvent(id: lastID, time: time, kind: kind, collector: collector, exporter: exporter, text: text))
    }

    /// Those after the one of that number that are still kept.
    public func after(_ id: UInt64) -> ArraySlice<PoolEvent> {
        guard let first = kept.first, id < lastID else { return [] }
        return kept[(id < first.id ? 0 : Int(id - first.id) + 1)...]
    }
}
