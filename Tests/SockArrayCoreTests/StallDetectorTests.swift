import Testing

@testable import PoolModel

@Suite struct StallDetectorTests {
    private static let start = ContinuousClock.now
    private static let limit = Duration.seconds(10)

    /// Looks once a second, and returns the second of the first look that finds c1 stalled.
    private static func stalls(
        within seconds: Int = 30, _ transport: ReuseportGroup.TransportProtocol = .udp,
        _ reading: (Int) -> (queued: UInt64, drops: UInt32, runs: UInt64, ticks: UInt64?)
    ) -> Int? {
        var detector = StallDetector()
        for second in 0..<seconds {
            let now = reading(second)
            let readings =
                now.queued == 0
                ? []
                : [
                    StallDetector.Reading(
                        collector: "c1", group: "ipfix", cookie: 7, transport: transport, queued: now.queued,
                        drops: now.drops, traffic: SlotTraffic(selected: now.runs, bytes: now.runs * 200),
                        cpuTicks: now.ticks)
                ]
            let stalled = detector.look(readings, at: start + .seconds(second), after: limit)
            if !stalled.isEmpty {
                #expect(stalled == ["c1": "ipfix"])
                return second
            }
        }
        return nil
    }

    @Test func `a stopped process is found 10 s after its queue was last empty`() {
        #expect(Self.stalls { second in (UInt64(max(0, second - 5)) * 768, 0, UInt64(second), 50) } == 15)
    }

    @Test func `the next look is due when the first of the collectors counts as stalled`() {
        var detector = StallDetector()
        func look(_ collectors: [String], at time: Int) -> Duration? {
            let readings = collectors.enumerated().map { index, name in
                StallDetector.Reading(
                    collector: name, group: "ipfix", cookie: UInt64(index), transport: .udp, queued: 768,
                    cpuTicks: 50)
            }
            _ = detector.look(readings, at: Self.start + .milliseconds(time), after: Self.limit)
            return detector.nextStall(after: Self.limit).map { $0 - Self.start }
        }
        #expect(look([], at: 0) == nil)
        #expect(look(["c1"], at: 900) == .seconds(10))
        // c2's queue was last empty at 0.9 s.
        #expect(look(["c1", "c2"], at: 1_800) == .seconds(10))
        #expect(look(["c1", "c2"], at: 10_000) == .milliseconds(10_900))
        #expect(look(["c1", "c2"], at: 10_900) == nil)
        #expect(look([], at: 11_800) == nil)
    }

    @Test func `a full queue from which nothing is read is found, even if the process is busy`() {
        let found = Self.stalls { second in
            (second == 0 ? 0 : 212_992, UInt32(second) * 1_000, UInt64(second) * 1_000, UInt64(second) * 100)
        }
        #expect(found == 10)
    }

    @Test func `a collector that is too slow for its exporters reads`() {
        // It reads a tenth, and the kernel drops the rest.
        #expect(
            Self.stalls { second in (212_992, UInt32(second) * 900, UInt64(second) * 1_000, UInt64(second) * 100) }
                == nil)
        // Its queue grows by most of what comes: the kernel charges 2,304 bytes for 1,000.
        #expect(
            Self.stalls { second in
                (UInt64(second + 1) * 1_000 * 2_000, 0, UInt64(second) * 1_000, UInt64(second) * 90)
            } == nil)
        // Of trains of 10 datagrams it reads one.
        #expect(
            Self.stalls { second in (212_992, UInt32(second) * 900, UInt64(second) * 100, UInt64(second) * 100) }
                == nil)
        // Its CPU time is unknown, and nothing is dropped.
        #expect(Self.stalls { second in (UInt64(second + 1) * 768, 0, UInt64(second), nil) } == nil)
    }

    @Test func `a socket that another collector registers, or whose counters are new, starts anew`() {
        var detector = StallDetector()
        func look(_ collector: String, runs: UInt64, at second: Int) -> [String: String] {
            let reading = StallDetector.Reading(
                collector: collector, group: "ipfix", cookie: 7, transport: .udp, queued: 768,
                traffic: SlotTraffic(selected: runs), cpuTicks: 50)
            return detector.look([reading], at: Self.start + .seconds(second), after: Self.limit)
        }
        #expect(look("c1", runs: 1_000, at: 0) == [:])
        #expect(look("c2", runs: 5, at: 9) == [:])
        #expect(look("c2", runs: 0, at: 10) == [:])
        #expect(look("c2", runs: 0, at: 19) == [:])
        #expect(look("c2", runs: 0, at: 20) == ["c2": "ipfix"])
    }

    @Test func `a collector that another agent found stalled is so at the first look, if its queue isn't empty`() {
        let reading = StallDetector.Reading(
            collector: "c1", group: "ipfix", cookie: 7, transport: .udp, queued: 768, cpuTicks: 50)
        for (presumed, stalled) in [(["c1"], ["c1": "ipfix"]), (["c2"], [:])] as [(Set<String>, [String: String])] {
            var detector = StallDetector()
            #expect(detector.look([reading], at: Self.start, after: Self.limit, presumed: presumed) == stalled)
        }
    }

    @Test func `a queue that is shorter once within 10 s is read`() {
        #expect(
            Self.stalls { second in (UInt64(10_000 + second % 9 * 1_000), 0, UInt64(second), 50) } == nil)
    }

    @Test func `what waits although nothing comes any more is found`() {
        #expect(Self.stalls { second in (second == 0 ? 0 : 768, 0, 1, 50) } == 10)
        #expect(Self.stalls { second in (second == 0 ? 0 : 768, 0, 1, nil) } == 10)
    }

    @Test func `a listener stalls if its process does nothing, not if it is busy`() {
        #expect(Self.stalls(.tcp) { second in (second == 0 ? 0 : 3, 0, 3, 50) } == 10)
        #expect(Self.stalls(.tcp) { second in (second == 0 ? 0 : 3, 0, 3, UInt64(second)) } == nil)
    }

    @Test func `drops that wrap around count as drops`() {
        let found = Self.stalls { second in
            (second == 0 ? 0 : 212_992, UInt32.max &- 5_000 &+ UInt32(second) * 1_000, UInt64(second) * 1_000, 9)
        }
        #expect(found == 10)
    }
}
