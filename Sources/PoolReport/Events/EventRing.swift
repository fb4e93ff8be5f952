/// The last events, up to a number of them.
struct EventRing: Sendable {
    private let capacity: Int
    /// Ascending.
    private var events: [PoolEvent] = []

    package init(capacity: Int) { self.capacity = capacity }

    package mutating func add(_ event: PoolEvent) {
        if events.count == capacity { events.removeFirst() }
        events.append(event)
    }

    /// Events after that number. Searches from the end: most readers lack only the last few.
    package func after(_ id: UInt64) -> ArraySlice<PoolEvent> {
        events[((events.lastIndex { $0.id <= id } ?? -1) + 1)...]
    }
}
