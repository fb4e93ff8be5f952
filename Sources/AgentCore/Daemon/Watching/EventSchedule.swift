import SockArrayCore

/// When the eventRecorder looks at the collectors and compares rows. All times are
/// CLOCK_MONOTONIC in nanoseconds.
struct EventSchedule {
    /// When a hold is over, or somebody is looked for who never came.
    private var nextLook: UInt64?
    /// Rows may have moved: they are compared then.
    private var nextComparison: UInt64?
    private var lastComparison: UInt64 = 0
    /// It failed: until then nothing is due, whatever has changed.
    private var retry: UInt64?
    private static let pause: UInt64 = 1_000_000_000

    var hasFailed: Bool { retry != nil }

    /// - Parameter hasChanged: the pool, since the last look.
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

    /// Nothing that was due has failed.
    mutating func noteSuccess(now: UInt64) { if !isPaused(now) { retry = nil } }

    private func isPaused(_ now: UInt64) -> Bool { retry.map { now < $0 } ?? false }
}
