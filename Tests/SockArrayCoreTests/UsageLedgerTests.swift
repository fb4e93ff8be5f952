import PoolModel
import Testing
import UsageExport

@Suite struct UsageLedgerTests {
    private typealias Counter = UsageReading.Counter
    private static let (c1, c2) = (
        UsageSeries.collector("c1", group: "ipfix"), UsageSeries.collector("c2", group: "ipfix")
    )

    private static func reading(_ counters: Counter..., incarnation: UInt64 = 7) -> UsageReading {
        UsageReading(incarnation: incarnation, counters: counters)
    }

    private static func c1(_ total: UInt64) -> Counter { Counter(source: 40, index: 0, series: c1, total: total) }

    private static func ledger(_ counters: Counter..., at milliseconds: Int64 = 0) -> UsageLedger {
        UsageLedger(
            identity: "id", pool: "edge", from: UsageReading(incarnation: 7, counters: counters),
            at: UnixTime(milliseconds: milliseconds))
    }

    private static func at(_ milliseconds: Int64) -> UnixTime { UnixTime(milliseconds: milliseconds) }

    @Test func `bytes from before the ledger are in no event, and all later ones in one`() {
        var ledger = Self.ledger(Self.c1(1_000))
        let events = ledger.take(Self.reading(Self.c1(1_700)), at: Self.at(60_000))
        #expect(events.map(\.value) == [700])
        #expect(events[0].eventStartTime == "1970-01-01T00:00:00.000Z")
        #expect(events[0].eventStopTime == "1970-01-01T00:01:00.000Z")
        #expect(events[0].metric == "ingress_bytes" && events[0].collector == "c1" && events[0].group == "ipfix")
        #expect(ledger.take(Self.reading(Self.c1(1_700)), at: Self.at(120_000)).isEmpty, "0 bytes are no event")
        let next = ledger.take(Self.reading(Self.c1(1_701)), at: Self.at(180_000))
        #expect(next.map(\.value) == [1] && next[0].eventStartTime == "1970-01-01T00:02:00.000Z")
    }

    @Test func `a recreated pool counts from 0, even if its numbers are higher`() {
        var ledger = Self.ledger(Self.c1(1_000))
        let events = ledger.take(Self.reading(Self.c1(5_000), incarnation: 8), at: Self.at(1))
        #expect(events.map(\.value) == [5_000])
    }

    @Test func `another map counts from 0, and so does a total that went back`() {
        var ledger = Self.ledger(Self.c1(1_000))
        let other = Counter(source: 41, index: 0, series: Self.c1, total: 2_000)
        #expect(ledger.take(Self.reading(other), at: Self.at(1)).map(\.value) == [2_000])
        let less = Counter(source: 41, index: 0, series: Self.c1, total: 30)
        #expect(ledger.take(Self.reading(less), at: Self.at(2)).map(\.value) == [30])
    }

    @Test func `when a slot changes its name, earlier bytes go to the old name and later ones to the new`() {
        var ledger = Self.ledger(Self.c1(1_000))
        let heir = Counter(source: 40, index: 0, series: Self.c2, total: 1_500, base: 1_200)
        let events = ledger.take(Self.reading(heir), at: Self.at(1))
        #expect(events.map(\.collector) == ["c1", "c2"] && events.map(\.value) == [200, 300])
        let later = Counter(source: 40, index: 0, series: Self.c2, total: 1_600, base: 1_200)
        #expect(ledger.take(Self.reading(later), at: Self.at(2)).map(\.value) == [100])
    }

    @Test func `a freed slot counts for its former collector, and then for its next one`() {
        var ledger = Self.ledger(Self.c1(1_000))
        let freed = Counter(source: 40, index: 0, series: nil, total: 1_100)
        #expect(ledger.take(Self.reading(freed), at: Self.at(1)).map(\.collector) == ["c1"])
        let heir = Counter(source: 40, index: 0, series: Self.c2, total: 1_110, base: 1_105)
        let events = ledger.take(Self.reading(heir), at: Self.at(2))
        #expect(events.map(\.collector) == ["c1", "c2"] && events.map(\.value) == [5, 5])
    }

    @Test func `a slot first seen with a former collector's bytes counts only the new one's`() {
        var ledger = Self.ledger(Self.c1(1_000))
        let late = Counter(source: 40, index: 5, series: Self.c2, total: 1_300, base: 1_000)
        let gone = Counter(source: 41, index: 5, series: nil, total: 70, base: 50, fallback: Self.c1)
        let events = ledger.take(Self.reading(Self.c1(1_000), late, gone), at: Self.at(1))
        #expect(events.map(\.collector) == ["c2", "c1"] && events.map(\.value) == [300, 20])
        // A base that was read after the total.
        let torn = Counter(source: 42, index: 0, series: Self.c2, total: 10, base: 11)
        #expect(ledger.take(Self.reading(torn), at: Self.at(2)).isEmpty)
    }

    @Test func `a group that left counts for its collectors and is then forgotten`() {
        var ledger = Self.ledger(Self.c1(1_000))
        let left = Counter(source: 40, index: 0, series: nil, total: 1_001, fallback: Self.c2)
        let unknown = Counter(source: 41, index: 3, series: nil, total: 5, fallback: Self.c2)
        let events = ledger.take(Self.reading(left, unknown), at: Self.at(1))
        #expect(events.map(\.collector) == ["c1", "c2"] && events.map(\.value) == [1, 5])
        #expect(ledger.places == [40: [0], 41: [3]])
        #expect(ledger.take(Self.reading(), at: Self.at(2)).isEmpty && ledger.places.isEmpty)
    }

    @Test func `after a clock is set back intervals of 1 ms never overlap until it has caught up`() {
        var ledger = Self.ledger(Self.c1(0), at: 1_000_000)
        var events: [UsageEvent] = []
        let clock: [Int64] = [1_060_000, 500_000, 560_000, 1_060_001, 1_120_000, 90_000_000, 1_240_000]
        for (step, time) in clock.enumerated() {
            events += ledger.take(Self.reading(Self.c1(UInt64(step + 1) * 10)), at: Self.at(time))
        }
        #expect(events.map(\.value) == Array(repeating: 10, count: 7))
        for (one, next) in zip(events, events.dropFirst()) { #expect(one.eventStopTime == next.eventStartTime) }
        for event in events { #expect(event.eventStartTime < event.eventStopTime) }
        #expect(events[1].eventStopTime == "1970-01-01T00:17:40.001Z")
        #expect(events[6].eventStartTime == "1970-01-02T01:00:00.000Z")
    }

    @Test func `merging batches keeps every sum and the whole time`() {
        var (merged, sums): ([UsageEvent], [UsageSeries: UInt64]) = ([], [:])
        var random = SystemRandomNumberGenerator()
        var totals: [UInt64] = [0, 0, 0]
        var ledger = Self.ledger()
        for step in 1...100 {
            var counters: [Counter] = []
            for index in 0..<3 {
                totals[index] += UInt64.random(in: 0...3, using: &random)
                let series = UsageSeries.collector("c\(index)", group: "ipfix")
                sums[series] = totals[index]
                counters.append(Counter(source: 1, index: UInt32(index), series: series, total: totals[index]))
            }
            let reading = UsageReading(incarnation: 7, counters: counters)
            merged = merged.merged(with: ledger.take(reading, at: Self.at(Int64(step) * 1_000)))
        }
        #expect(merged.count == sums.values.count { $0 > 0 })
        for event in merged { #expect(event.value == sums[event.series]) }
    }

    @Test func `keys name the ledger, the batch and the event, and none repeats`() {
        var ledger = Self.ledger()
        var keys: Set<String> = []
        for step in 1...10 {
            let events = ledger.take(
                Self.reading(
                    Self.c1(UInt64(step)), Counter(source: 40, index: 1, series: Self.c2, total: UInt64(step))),
                at: Self.at(Int64(step)))
            let batch = ledger.close(events)
            #expect(batch.number == UInt64(step))
            keys.formUnion(batch.events.map(\.idempotencyKey))
        }
        #expect(keys.count == 20 && keys.contains("id-10-1"))
    }

    @Test func `pauses between attempts double from 1 s to 5 min, half of each by chance`() {
        #expect(DeliveryBackoff.pause(after: 1, chance: 1) == .seconds(1))
        #expect(DeliveryBackoff.pause(after: 1, chance: 0) == .milliseconds(500))
        #expect(DeliveryBackoff.pause(after: 5, chance: 1) == .seconds(16))
        #expect(DeliveryBackoff.pause(after: 9, chance: 1) == .seconds(256))
        for failures in [10, 20, 21, 1_000_000] {
            #expect(DeliveryBackoff.pause(after: failures, chance: 1) == .seconds(300))
            #expect(DeliveryBackoff.pause(after: failures, chance: 0) == .seconds(150))
        }
    }

    @Test func `a failure before a retry that was asked for is followed at once; the next pause is the first again`() {
        let start = ContinuousClock.now
        let later = start + .nanoseconds(7)
        var backoff = DeliveryBackoff()
        for _ in 1...3 { backoff.fail(now: start, chance: 1) }
        #expect(backoff.next == start + .seconds(4))
        backoff.retryNow(isBusy: true)
        #expect(backoff.next == .distantPast)
        backoff.fail(now: later, chance: 1)
        #expect(backoff.next == later)
        backoff.fail(now: later, chance: 1)
        #expect(backoff.next == later + .seconds(2))
        backoff.retryNow(isBusy: false)
        backoff.fail(isRefusal: true, now: start, chance: 0)
        #expect(backoff.next == start + .seconds(128))
    }

    @Test(arguments: [
        (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"), (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"), (1_795_280_733_120, "2026-11-21T17:05:33.120Z"),
        (Int64.max, "9999-12-31T23:59:59.999Z"), (Int64.min, "0000-01-01T00:00:00.000Z"),
    ])
    func `times are RFC 3339 in UTC`(_ milliseconds: Int64, _ text: String) {
        #expect(UnixTime(milliseconds: milliseconds).text == text)
    }
}

@Suite struct UsageTailTests {
    private static func line(_ number: Int) -> String {
        #"{"collector":"c\"\#(number % 2)","direction":"ingress","event_start_time":"1970-01-01T00:00:00.000Z","#
            + #""group":"ipfix","idempotency_key":"a-\#(number)-0","value":1}"# + "\n"
    }

    private static let batch = line(2) + line(3)

    private static func tail(_ text: String, isWholeFile: Bool = true) -> UsageTail {
        UsageTail(of: Array(text.utf8), isWholeFile: isWholeFile, before: Array(batch.utf8))
    }

    @Test func `a batch cut at any byte is continued there, after other lines or in an empty file`() {
        for before in ["", Self.line(1), "somebody's\n"] {
            for length in 0...Self.batch.utf8.count {
                let tail = Self.tail(before + Self.batch.prefix(length))
                #expect(tail.written == length && tail.torn == 0 && !tail.isForeign, "\(length)")
            }
        }
    }

    @Test func `parts of another event's line and zeros that a crash left are cut off`() {
        for length in 1..<Self.line(5).utf8.count {
            let tail = Self.tail(Self.line(1) + Self.line(5).prefix(length))
            // Up to the collector's number it may as well be the batch's own.
            #expect(tail.torn + tail.written == length && !tail.isForeign, "\(length)")
        }
        let zeros = Self.tail(Self.line(1) + Self.line(2) + "\0\0\0")
        #expect(zeros.torn == 3 && zeros.written == Self.line(2).utf8.count && !zeros.isForeign)
        #expect(Self.tail(Self.line(1) + Self.line(5).prefix(90) + "\0\0").torn == 92)
    }

    @Test(arguments: [
        "written by hand", #"{"other":1"#, #"{"collector":5"#, #"{"collector":"c1","at":"#, "\0\0", "somebody's\n\0\0",
        #"{"cgroup":"/c","direction":"egress","event_stop"#, "x\0",
    ])
    func `a foreign last line stays, and events begin on a line of their own`(_ text: String) {
        let tail = Self.tail(text)
        #expect(tail.torn == 0 && tail.written == 0 && tail.isForeign)
    }

    @Test func `after a foreign line in a batch the rest follows, and no event repeats`() {
        let tail = Self.tail(Self.line(2) + "written by hand")
        #expect(tail.torn == 0 && tail.written == Self.line(2).utf8.count && tail.isForeign)
    }

    @Test func `a line that is longer than the part that was read stays`() {
        let tail = Self.tail("xxxx", isWholeFile: false)
        #expect(tail.torn == 0 && tail.isForeign)
        #expect(!Self.tail("").isForeign && !Self.tail("somebody's\n").isForeign)
    }

    @Test func `a complete batch with others after it isn't taken for the end`() {
        #expect(Self.tail(Self.batch + Self.line(4)).written == 0)
    }
}
