import Testing

@testable import AgentCore

@Suite struct MemoryTrimTests {
    @Test func `many large answers within a second cause one trim, a slow reader one a second`() {
        let start = ContinuousClock.now
        var trim = MemoryTrim()
        #expect(trim.deadline == nil && !trim.deadline.isDue(at: start + .seconds(1 << 32)))
        for time in 0..<100 { trim.noteLargeAnswer(now: start + .nanoseconds(time)) }
        #expect(trim.deadline == start + .seconds(1))
        #expect(!trim.deadline.isDue(at: start + .seconds(1) - .nanoseconds(1)))
        #expect(trim.deadline.isDue(at: start + .seconds(1)))
        trim.noteDone(largeBytesWait: true, now: start + .seconds(1))
        #expect(trim.deadline == start + .seconds(2))
        trim.noteDone(largeBytesWait: false, now: start + .seconds(2))
        #expect(trim.deadline == nil)
    }

    @Test func `64 KiB isn't large, one more byte is`() {
        #expect(!MemoryTrim.isLarge(65_536) && MemoryTrim.isLarge(65_537))
    }
}
