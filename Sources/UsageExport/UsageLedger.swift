import PoolModel

/// The counters' values up to which bytes are in events: the difference between two
/// readings is in exactly one event.
///
/// The kernel's counters are never set back. An agent that was killed therefore continues
/// from the last stored ledger: later bytes are still in the counters. The ledger is
/// stored in one file with the events that it led to: a crash leaves both or neither.
public struct UsageLedger: Equatable, Sendable, Codable {
    /// A counter's place, and what it was.
    package struct Entry: Equatable, Sendable, Codable {
        package var source: UInt32
        package var index: UInt32
        package var total: UInt64
        /// Nil: no collector's.
        package var series: UsageSeries?
    }

    private struct Place: Hashable {
        let source, index: UInt32
    }

    public static let version = 1
    public let version: Int
    /// Random: makes the keys of this ledger's events its own.
    public let identity: String
    public let pool: String
    /// Of the pool that the entries are of.
    public private(set) var incarnation: UInt64
    /// Of the next batch.
    public private(set) var number: UInt64 = 1
    /// Up to when all is counted.
    public private(set) var stop: UnixTime
    private var entries: [Entry] = []

    /// A ledger that counts what comes from this reading on.
    public init(identity: String, pool: String, from reading: UsageReading, at now: UnixTime) {
        version = Self.version
        self.identity = identity
        self.pool = pool
        incarnation = reading.incarnation
        stop = now
        entries = reading.counters.map(Self.entry)
    }

    private static func entry(_ counter: UsageReading.Counter) -> Entry {
        Entry(source: counter.source, index: counter.index, total: counter.total, series: counter.series)
    }

    /// Where it looked before, also for whom there is no name any more.
    ///
    /// - Returns: indices by source.
    public var places: [UInt32: Set<UInt32>] {
        entries.reduce(into: [:]) { $0[$1.source, default: []].insert($1.index) }
    }

    /// Makes events, without keys, for the bytes since the previous reading.
    ///
    /// The interval lasts from the previous reading to now, by the wall clock. If the clock
    /// was set back, intervals are a millisecond long until the clock has caught up: no two
    /// intervals overlap, and none is empty.
    ///
    /// - Parameter reading: of all counters; those that it doesn't have are forgotten.
    /// - Returns: one event for each series that has counted.
    public mutating func take(_ reading: UsageReading, at now: UnixTime) -> [UsageEvent] {
        let start = stop
        stop = max(now, UnixTime(milliseconds: start.milliseconds + 1))
        if reading.incarnation != incarnation {
            (incarnation, entries) = (reading.incarnation, [])
        }
        var before = Dictionary(uniqueKeysWithValues: entries.map { (Place(source: $0.source, index: $0.index), $0) })
        var sums: [UsageSeries: UInt64] = [:]
        var order: [UsageSeries] = []
        func add(_ bytes: UInt64, to series: UsageSeries?) {
            guard bytes > 0, let series else { return }
            if sums.updateValue(sums[series, default: 0] + bytes, forKey: series) == nil { order.append(series) }
        }
        var present: [Entry] = []
        for counter in reading.counters {
            let place = Place(source: counter.source, index: counter.index)
            let former = before.removeValue(forKey: place)
            for share in Self.shares(of: counter, since: former) { add(share.bytes, to: share.series) }
            var entry = Self.entry(counter)
            // Nobody's any more: what may still come is of who had it.
            if entry.series == nil { entry.series = former?.series ?? counter.fallback }
            present.append(entry)
        }
        entries = present
        return order.map {
            UsageEvent($0, pool: pool, from: start, to: stop, value: sums[$0]!, idempotencyKey: "")
        }
    }

    /// Of what a counter has grown by, the part of who had it before and of who has it now.
    private static func shares(
        of counter: UsageReading.Counter, since former: Entry?
    ) -> [(series: UsageSeries?, bytes: UInt64)] {
        // Less than before: it was made anew. What came before the base was somebody else's,
        // and before the ledger looked there.
        guard let former, former.total <= counter.total else {
            let own = counter.total - min(counter.base, counter.total)
            return [(counter.series ?? former?.series ?? counter.fallback, own)]
        }
        guard let heir = counter.series, let first = former.series, heir != first else {
            return [(counter.series ?? former.series, counter.total - former.total)]
        }
        let change = min(max(counter.base, former.total), counter.total)
        return [(first, change - former.total), (heir, counter.total - change)]
    }

    /// The batch that it was kept with has its number.
    public mutating func follow(_ kept: UsageLedger) { number = kept.number }

    /// Gives the events the keys of the next batch, and counts it.
    public mutating func close(_ events: [UsageEvent]) -> UsageBatch {
        defer { number += 1 }
        return UsageBatch(number: number, identity: identity, events: events)
    }
}

/// Events that are kept, and delivered, together.
public struct UsageBatch: Equatable, Sendable {
    public let number: UInt64
    public private(set) var events: [UsageEvent]

    public init(number: UInt64, identity: String, events: [UsageEvent]) {
        self.number = number
        self.events = events
        for index in events.indices { self.events[index].idempotencyKey = "\(identity)-\(number)-\(index)" }
    }
}

/// Usage that was read and isn't on the disk yet: its events are stored together with the ledger that
/// counts them, and a source that has stopped counting is forgotten only after that.
public struct UnstoredUsage: Sendable {
    /// The ledger on the disk plus the events.
    public private(set) var ledger: UsageLedger
    private var events: [UsageEvent] = []
    /// The events that are being stored.
    private var underWay: [UsageEvent]?
    /// Whether the disk has a ledger.
    private var isStored: Bool
    /// Sources of the last reading that have stopped counting.
    private var departed: Set<UInt32>
    /// The end of the last interval that was to be stored.
    private var lastAttempt: UnixTime?

    /// - Parameter isStored: whether the ledger is on the disk.
    public init(_ ledger: UsageLedger, isStored: Bool, departed: Set<UInt32> = []) {
        self.ledger = ledger
        self.isStored = isStored
        self.departed = departed
    }

    /// The number of events, without those that are being stored.
    public var count: Int { events.count }

    public mutating func add(_ reading: UsageReading, at now: UnixTime) {
        events = events.merged(with: ledger.take(reading, at: now))
        departed = reading.departed
    }

    /// Whether there is something to store; one attempt for each reading.
    public var isDue: Bool { (!isStored || !events.isEmpty) && lastAttempt != ledger.stop }

    /// Call `endStoring` after it, whether or not the events could be stored.
    public mutating func beginStoring() -> [UsageEvent] {
        lastAttempt = ledger.stop
        underWay = events
        defer { events = [] }
        return events
    }

    /// - Parameter stored: the ledger on the disk; nil if the events could not be stored. The next attempt
    ///   stores them with the newer ones.
    public mutating func endStoring(_ stored: UsageLedger?) {
        if let stored {
            isStored = true
            ledger.follow(stored)
        } else {
            events = (underWay ?? []).merged(with: events)
        }
        underWay = nil
    }

    /// The sources that have stopped counting, once, when everything that they counted is on the disk.
    public mutating func takeForgettable() -> Set<UInt32> {
        guard isStored, underWay == nil, events.isEmpty else { return [] }
        defer { departed = [] }
        return departed
    }
}
