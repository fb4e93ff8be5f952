import Testing

@testable import AgentCore

@Suite struct EventScheduleTests {
    private let start = ContinuousClock.now

    /// How often something is tried until then, and fails, of an agent that wakes up when it is asked to.
    private func failures(_ agenda: inout EventSchedule, to end: ContinuousClock.Instant) -> Int {
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
        agenda.noteLook(states: [.active], mayHaveMoved: true, now: start)
        #expect(agenda.deadline(hasChanged: false) == start, "a comparison is due")
        #expect(failures(&agenda, to: start + .seconds(5)) == 5)
        // Others of the loop wake it up meanwhile.
        let between = start + .seconds(4) + .nanoseconds(1)
        #expect(!agenda.isLookDue(hasChanged: true, now: between) && !agenda.isComparisonDue(now: between))
        agenda.noteSuccess(now: between)
        #expect(agenda.hasFailed, "nothing was tried")
        let later = start + .seconds(5)
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
            states: [.holding(left: .milliseconds(2_500)), .empty], mayHaveMoved: false, now: start + .seconds(7))
        #expect(agenda.deadline(hasChanged: false) == start + .seconds(8))
        agenda.noteLook(
            states: [.holding(left: .milliseconds(1_500)), .failed], mayHaveMoved: false, now: start + .seconds(8))
        #expect(agenda.deadline(hasChanged: false) == start + .milliseconds(9_501))
        #expect(agenda.deadline(hasChanged: true) == .distantPast)
    }

    @Test func `rows are compared at once, and 1 s after the last time`() {
        var agenda = EventSchedule()
        agenda.noteLook(states: [.active], mayHaveMoved: true, now: start + .seconds(7))
        #expect(agenda.isComparisonDue(now: start + .seconds(7)))
        agenda.noteComparison(now: start + .seconds(7))
        agenda.noteLook(states: [.active], mayHaveMoved: true, now: start + .seconds(7) + .nanoseconds(5))
        #expect(!agenda.isComparisonDue(now: start + .seconds(8) - .nanoseconds(1)))
        #expect(agenda.isComparisonDue(now: start + .seconds(8)))
    }
}
