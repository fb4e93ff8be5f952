import PoolModel

/// The times at which `EventRecorder` looks at the collectors and compares rows: CLOCK_MONOTONIC in
/// nanoseconds.
struct EventSchedule {
    /// When a hold ends, or when to check again for a collector that has never registered.
    private var nextLook: UInt64?
    /// When to compare rows, because they may have moved.
    private var nextComparison: UInt64?
    private var lastComparison: UInt64 = 0
    /// After a failure, the time until which nothing is due.
    private var retry: UInt64?
    private static let pause: UInt64 = 1_000_000_000

    var hasFailed: Bool { retry != nil }

    /// - Parameter hasChanged: whether the pool changed since the last look.
    func deadline(hasChanged: Bool) -> UInt64? {
        if let retry { return retry }
        return hasChanged ? 0 : [nextLook, nextComparison].compactMap(\.self).min()
    }

    func isLookDue(hasChanged: Bool, now: UInt64) -> Bool {
        !isPaused(now) && (hasChanged || nextLook.map { $0 <= now } ?? false)
    }

    func isComparisonDue(now: UInt64) -> Bool { !isPaused(now) && nextComparison.map { $0 <= now } ?? false }

    mutating func noteLook(states: [SlotState], mayHaveMoved: Bool, now: UInt64) {
        if mayHaveMoved { nextComparison = max(now, lastComparison + Self.pause) }
        nextLook = states.compactMap { state in
            switch state {
            case .holding(let left): now + UInt64(max(0, left / .nanoseconds(1))) + 1_000_000
            case .empty: now + Self.pause
            case .active, .draining, .failed, .absent: nil
            }
        }.min()
    }

    mutating func noteComparison(now: UInt64) { (nextComparison, lastComparison) = (nil, now) }

    mutating func noteFailure(now: UInt64) { retry = now + Self.pause }

    /// Everything that was due succeeded.
    mutating func noteSuccess(now: UInt64) { if !isPaused(now) { retry = nil } }

    private func isPaused(_ now: UInt64) -> Bool { retry.map { now < $0 } ?? false }
}
