import Testing

@testable import AgentCore

@Suite struct MemoryTrimTests {
    private static let second: UInt64 = 1_000_000_000

    @Test func `many large answers within a second cause one trim, a slow reader one a second`() {
        var trim = MemoryTrim()
        #expect(trim.deadline == nil && !trim.isDue(now: .max))
        for time in 0..<UInt64(100) { trim.noteLargeAnswer(now: 5 * Self.second + time) }
        #expect(trim.deadline == 6 * Self.second && !trim.isDue(now: 6 * Self.second - 1))
        #expect(trim.isDue(now: 6 * Self.second))
        trim.noteDone(largeBytesWait: true, now: 6 * Self.second)
        #expect(trim.deadline == 7 * Self.second)
        trim.noteDone(largeBytesWait: false, now: 7 * Self.second)
        #expect(trim.deadline == nil)
    }

    @Test func `64 KiB isn't large, one more byte is`() {
        #expect(!MemoryTrim.isLarge(65_536) && MemoryTrim.isLarge(65_537))
    }
}
