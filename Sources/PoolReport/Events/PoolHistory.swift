import PoolModel

/// Makes the events of a pool from the differences between two looks at its collectors or its rows.
///
/// The first look at a collector, or at the rows, makes no event: an agent that starts repeats nothing.
public struct PoolHistory: Sendable {
    /// The text for a collector that somebody unregistered, in place of the cause of its loss.
    public static let unregistered = "was unregistered"

    public struct Entry: Equatable, Sendable {
        public var kind: PoolEvent.Kind
        public var collector: String
        public var text: String
        /// The collector registered at least once.
        public var hasRegistered = true
        /// Somebody unregistered the collector.
        public var isIntended = false
        /// The collector is there, and reads nothing.
        public var isStalled = false
    }

    private struct Past {
        var registrations: UInt64
        /// Nil: it never registered, and no run has missed it.
        var standing: SlotState.Standing?
        /// When it went away; nil: it is there, or the agent didn't see it go.
        var awaySince: ContinuousClock.Instant?
    }

    private struct Rows {
        /// The slot that each row delivers to, or is held for.
        var slots: [Slot?]
        var assignment: Assignment
        var seed: String
    }

    private var past: [String: Past] = [:]
    private var rows: Rows?

    public init() {}

    /// - Parameters:
    ///   - moments: all collectors of the configuration.
    ///   - pending: lost collectors whose cause isn't known yet: a later look reports them.
    ///   - losses: causes of the losses since the last look: `has ended (process 7)`.
    ///   - hasAffinity: exporters belong to collectors, and are held for absent ones.
    ///   - stranded: absent collectors whose exporters no usable collector receives.
    /// - Returns: collector by collector, each in the order of its events.
    public mutating func look(
        _ moments: [CollectorMoment], pending: Set<String> = [], losses: [String: String] = [:], hasAffinity: Bool,
        stranded: Set<String> = [], at now: ContinuousClock.Instant
    ) -> [Entry] {
        let isAnyUsable = moments.contains { $0.state.standing == .usable }
        var entries: [Entry] = []
        var present: [String: Past] = [:]
        for moment in moments {
            guard !pending.contains(moment.name) else {
                present[moment.name] = past[moment.name]
                continue
            }
            let standing = moment.state == .empty ? nil : moment.state.standing
            var next = Past(registrations: moment.registrations, standing: standing)
            if let before = past[moment.name] {
                let words = HoldText(
                    hasAffinity: hasAffinity, canFailOver: isAnyUsable && !stranded.contains(moment.name))
                entries += Self.entries(
                    from: before, to: moment, standing, loss: losses[moment.name], words, at: now)
                if standing != .usable { next.awaySince = before.standing == .usable ? now : before.awaySince }
            }
            present[moment.name] = next
        }
        past = present
        return entries
    }

    private static func entries(
        from before: Past, to moment: CollectorMoment, _ standing: SlotState.Standing?, loss: String?,
        _ words: HoldText, at now: ContinuousClock.Instant
    ) -> [Entry] {
        func entry(_ kind: PoolEvent.Kind, _ text: String) -> Entry {
            Entry(
                kind: kind, collector: moment.name, text: "collector \(moment.name) \(text)",
                hasRegistered: moment.registrations > 0, isIntended: loss == Self.unregistered)
        }
        var entries: [Entry] = []
        var last = before.standing
        // Also a collector that returned between two looks.
        if last == .usable, moment.state == .stalled, loss == nil {
            var given = entry(.failedOver, "reads nothing: \(words.failedOver)")
            given.isStalled = true
            return [given]
        }
        if last == .usable, loss != nil || standing != .usable {
            entries.append(entry(.lost, loss ?? "is gone"))
            last = .away
        }
        if moment.registrations > before.registrations {
            entries.append(entry(.registered, "is registered"))
            if last == .held || last == .away, before.registrations > 0 {
                let time = before.awaySince.map { " after \(HoldText.seconds(now - $0))" } ?? ""
                entries.append(entry(.returned, "is back\(time): \(words.returned)"))
            }
            last = .usable
        }
        if case .holding(let left) = moment.state, before.standing != .held || !entries.isEmpty {
            let never = moment.registrations == 0 ? "never registered" : "is away"
            entries.append(entry(.held, "\(never): \(words.held(for: left))"))
        } else if standing == .away, before.standing != .away || !entries.isEmpty {
            let cause =
                moment.registrations == 0
                ? "did not register in time"
                : before.standing == .held ? "did not come back in time" : "is gone, without a hold"
            entries.append(entry(.failedOver, "\(cause): \(words.failedOver)"))
        }
        return entries
    }

    /// What has moved since the last look at the rows: `512 of 65536 table rows: c1 -> c2 300, c1 -> c3 212`.
    /// Rows without a slot before or after don't count.
    ///
    /// - Parameters:
    ///   - snapshot: nil if the address doesn't decide.
    ///   - name: of a slot's collector.
    /// - Returns: nil if no row has moved, or the two tables differ in their assignment.
    public mutating func lookAtRows(of snapshot: RowSnapshot?, name: (Slot) -> String) -> String? {
        let before = rows
        rows = snapshot.map { snapshot in
            Rows(
                slots: snapshot.rows.indices.map { snapshot.availability.deliverer(of: snapshot.rows[$0], at: $0) },
                assignment: snapshot.configuration.assignment, seed: snapshot.configuration.seed)
        }
        guard let before, let rows, before.slots.count == rows.slots.count,
            (before.assignment, before.seed) == (rows.assignment, rows.seed)
        else { return nil }
        var moved: [Slot: [Slot: Int]] = [:]
        for (from, to) in zip(before.slots, rows.slots) where from != to {
            if let from, let to { moved[from, default: [:]][to, default: 0] += 1 }
        }
        if moved.isEmpty { return nil }
        let shifts = moved.flatMap { from, targets in targets.map { (from: from, to: $0.key, rows: $0.value) } }
            .sorted { ($1.rows, $0.from, $0.to) < ($0.rows, $1.from, $1.to) }
        let parts = shifts.prefix(4).map { "\(name($0.from)) -> \(name($0.to)) \($0.rows)" }
        return "\(shifts.reduce(0) { $0 + $1.rows }) of \(rows.slots.count) table rows: "
            + parts.joined(separator: ", ")
            + (shifts.count > 4 ? " and others" : "")
    }
}

extension PoolHistory.Entry {
    public struct Message: Equatable, Sendable {
        public var isWarning: Bool
        public var text: String
        /// The text without durations (`LogRecord.key`).
        public var key: String
    }

    /// The log message for a failover, a return, and a collector that has never registered; nil for others:
    /// losses and registrations are logged where they are noticed.
    ///
    /// - Parameters:
    ///   - table: has the counts of the collector's rows; nil if they are unknown.
    public func message(of collector: PoolConfiguration.Collector, _ table: TableStatus?) -> Message? {
        let rows = table?.collectors.first { $0.name == self.collector }
        let count = rows.map { " (\($0.owned) of \(table?.tableSize ?? 0) table rows)" } ?? ""
        let next = CollectorAdvice.nextStep(for: collector, isFirst: !hasRegistered)
        switch kind {
        case .failedOver:
            let text = "\(text)\(count) until " + (isStalled ? "it reads again" : "it registers; \(next)")
            return Message(isWarning: !isIntended, text: text, key: text)
        case .returned:
            let staying = rows.map { $0.owned - ($0.served - $0.servedOfOthers) } ?? 0
            let rest = staying > 0 ? "; rows that wait for BMP sessions at other collectors to end: \(staying)" : ""
            return Message(isWarning: false, text: text + count + rest, key: "is back\(count)\(rest)")
        case .held where !hasRegistered:
            return Message(isWarning: true, text: "\(text)\(count); \(next)", key: "never registered\(count)")
        case .held, .lost, .registered, .stalled, .resumed, .moved, .newExporter: return nil
        }
    }
}
