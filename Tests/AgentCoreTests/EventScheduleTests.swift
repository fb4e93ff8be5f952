import Testing

@testable import AgentCore

@Suite struct EventScheduleTests {
    private static let second: UInt64 = 1_000_000_000

    /// How often something is tried until then, and fails, of an agent that wakes up when it is asked to.
    private static func failures(_ agenda: inout EventSchedule, from start: UInt64, to end: UInt64) -> Int {
        var (now, count) = (start, 0)
        while now < end, count < 100 {
            if agenda.isLookDue(hasChanged: true, now: now) || agenda.isComparisonDue(now: now) {
                agenda.noteFailure(now: now)
                count += 1
            }
            now = max(now, agenda.deadline(hasChanged: true) ?? end)
        }
        return count
    }

    @Test func `failed looks while a comparison is due are repeated 5 times in 5 s, then both are done`() {
        var agenda = EventSchedule()
        let start = 10 * Self.second
        agenda.noteLook(states: [.active], mayHaveMoved: true, now: start)
        #expect(agenda.deadline(hasChanged: false) == start, "a comparison is due")
        #expect(Self.failures(&agenda, from: start, to: start + 5 * Self.second) == 5)
        // Others of the loop wake it up meanwhile.
        let between = start + 4 * Self.second + 1
        #expect(!agenda.isLookDue(hasChanged: true, now: between) && !agenda.isComparisonDue(now: between))
        agenda.noteSuccess(now: between)
        #expect(agenda.hasFailed, "nothing was tried")
        let later = start + 5 * Self.second
        #expect(agenda.isLookDue(hasChanged: true, now: later) && agenda.isComparisonDue(now: later))
        agenda.noteLook(states: [.active], mayHaveMoved: true, now: later)
        agenda.noteComparison(now: later)
        agenda.noteSuccess(now: later)
        #expect(!agenda.hasFailed && agenda.deadline(hasChanged: false) == nil)
    }

    @Test
    func `a slot without a collector is looked at after 1 s, the end of a hold of 2.5 s after 1 ms`() {
        var agenda = EventSchedule()
        agenda.noteLook(
            states: [.holding(left: .milliseconds(2_500)), .empty], mayHaveMoved: false, now: 7 * Self.second)
        #expect(agenda.deadline(hasChanged: false) == 8 * Self.second)
        agenda.noteLook(
            states: [.holding(left: .milliseconds(1_500)), .failed], mayHaveMoved: false, now: 8 * Self.second)
        #expect(agenda.deadline(hasChanged: false) == 9_501_000_000)
        #expect(agenda.deadline(hasChanged: true) == 0)
    }

    @Test func `rows are compared at once, and 1 s after the last time`() {
        var agenda = EventSchedule()
        agenda.noteLook(states: [.active], mayHaveMoved: true, now: 7 * Self.second)
        #expect(agenda.isComparisonDue(now: 7 * Self.second))
        agenda.noteComparison(now: 7 * Self.second)
        agenda.noteLook(states: [.active], mayHaveMoved: true, now: 7 * Self.second + 5)
        #expect(!agenda.isComparisonDue(now: 8 * Self.second - 1) && agenda.isComparisonDue(now: 8 * Self.second))
    }
}
