/// The last events of a pool, in order: what a late reader of GET /events still gets.
///
/// Events of exporters and of collectors have room of their own, and don't displace each other.
public struct EventLog: Sendable {
    /// How many are kept of either.
    public static let capacity = 256
    private var ofPool = EventRing(capacity: capacity)
    private var ofExporters = EventRing(capacity: capacity)
    public private(set) var lastID: UInt64 = 0

    public init() {}

    /// - Parameter time: Unix time in seconds.
    public mutating func add(
        _ kind: PoolEvent.Kind, at time: Double, collector: String? = nil, exporter: String? = nil, _ text: String
    ) {
        lastID += 1
        let event = PoolEvent(
            id: lastID, time: time, kind: kind, collector: collector, exporter: exporter, text: text)
        if event.isOfExporters { ofExporters.add(event) } else { ofPool.add(event) }
    }

    /// The kept events after that number, in order.
    public func after(_ id: UInt64) -> [PoolEvent] {
        (ofPool.after(id) + ofExporters.after(id)).sorted { $0.id < $1.id }
    }
}

extension PoolEvent {
    /// Whether the event is about exporters and not about a collector.
    fileprivate var isOfExporters: Bool { kind == .newExporter || exporter != nil }
}
