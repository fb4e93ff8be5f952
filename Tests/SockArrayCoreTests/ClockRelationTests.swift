import PoolModel
import Testing

/// How a time namespace's clocks differ from the kernel's.
@Suite struct ClockRelationTests {
    private static let text = "monotonic        1000         5\nboottime        -2000         0\n"
    private static let offsets = TimeOffsets(monotonic: 1_000_000_000_005, boot: -2_000_000_000_000)

    @Test func `offsets of a time namespace are read with their nanoseconds, and malformed ones are none`() {
        #expect(TimeOffsets(text: Self.text) == Self.offsets)
        #expect(TimeOffsets(text: "monotonic -1 999999999\nboottime 0 0") == TimeOffsets(monotonic: -1))
        for text in ["", "monotonic 1 0", "monotonic 1\nboottime 1 0", "monotonic x 0\nboottime 0 0"] {
            #expect(TimeOffsets(text: text) == nil, "\(text)")
        }
        #expect(TimeOffsets(text: "monotonic 9223372036854775807 0\nboottime 0 0") == nil)
    }

    @Test func `clocks are corrected only by offsets of the process's own time namespace`() {
        let (initial, other, third) = ("time:[4026531834]", "time:[4026532534]", "time:[4026532600]")
        #expect(ClockRelation(own: nil, children: nil, offsets: nil) == .same)
        #expect(ClockRelation(own: other, children: other, offsets: Self.text) == .ahead(Self.offsets))
        #expect(ClockRelation(own: other, children: other, offsets: "monotonic 0 0\nboottime 0 0") == .same)
        // After unshare(2), the file shows the offsets that children get.
        #expect(ClockRelation(own: initial, children: other, offsets: Self.text) == .same)
        for relation in [
            ClockRelation(own: other, children: third, offsets: Self.text),
            ClockRelation(own: other, children: other, offsets: nil),
            ClockRelation(own: other, children: other, offsets: "?"),
        ] {
            #expect(relation == .unknown)
            #expect(relation.refusal(act: "run pool edge")?.exitCode == 6)
        }
        #expect(ClockRelation.ahead(Self.offsets).refusal(act: "run pool edge") == nil)
    }

    @Test func `a process's start is the same tick, or the next, from each time namespace`() {
        let tick: Int64 = 10_000_000
        for offset in [0, 5 * tick, 5 * tick + 1, 6 * tick - 1, -5 * tick, -5 * tick - 1, -4 * tick + 1] {
            for start in [1_000 * tick, 1_000 * tick + 1, 1_001 * tick - 1] {
                // nsec_to_clock_t() of the sum, as proc_pid_stat(5) has it.
                let shown = UInt64((start + offset) / tick)
                let ticks = TimeOffsets(boot: offset).kernelTicks(of: shown, ticksPerSecond: 100)
                #expect(ticks == 1_000 || (offset % tick != 0 && ticks == 1_001), "\(offset), \(start)")
            }
        }
    }
}
