import PoolModel
import Testing
import UsageExport

@Suite struct UnstoredUsageTests {
    private static let series = UsageSeries.collector("c1", group: "ipfix")

    private static func reading(_ total: UInt64, departed: Set<UInt32> = []) -> UsageReading {
        let counter = UsageReading.Counter(source: 40, index: 0, series: series, total: total)
        return UsageReading(incarnation: 7, counters: [counter], departed: departed)
    }

    private static func ledger() -> UsageLedger {
        UsageLedger(identity: "id", pool: "edge", from: reading(0), at: UnixTime(milliseconds: 0))
    }

    @Test func `events that could not be stored are stored with newer ones, and each reading is tried once`() {
        var unstored = UnstoredUsage(Self.ledger(), isStored: true)
        #expect(!unstored.isDue)
        unstored.add(Self.reading(10), at: UnixTime(milliseconds: 1_000))
        #expect(unstored.isDue && unstored.beginStoring().map(\.value) == [10] && !unstored.isDue)
        unstored.endStoring(nil)
        #expect(!unstored.isDue && unstored.count == 1)
        unstored.add(Self.reading(15), at: UnixTime(milliseconds: 2_000))
        #expect(unstored.isDue && unstored.beginStoring().map(\.value) == [15])
        unstored.endStoring(unstored.ledger)
        #expect(!unstored.isDue && unstored.count == 0)
    }

    @Test func `a new ledger is stored without events, and continues with the number of the stored one`() {
        var unstored = UnstoredUsage(Self.ledger(), isStored: false)
        #expect(unstored.isDue && unstored.beginStoring().isEmpty)
        var stored = unstored.ledger
        _ = stored.close([])
        unstored.endStoring(stored)
        #expect(!unstored.isDue && unstored.ledger.number == 2)
    }

    @Test func `a source that stopped counting is forgotten once, when all that it counted is on the disk`() {
        var unstored = UnstoredUsage(Self.ledger(), isStored: true)
        unstored.add(Self.reading(10, departed: [40]), at: UnixTime(milliseconds: 1_000))
        #expect(unstored.takeForgettable().isEmpty)
        _ = unstored.beginStoring()
        #expect(unstored.takeForgettable().isEmpty)
        unstored.endStoring(nil)
        #expect(unstored.takeForgettable().isEmpty)
        _ = unstored.beginStoring()
        unstored.endStoring(unstored.ledger)
        #expect(unstored.takeForgettable() == [40] && unstored.takeForgettable().isEmpty)
    }
}

@Suite struct UsageQueueTests {
    private static func batch(_ number: UInt64, events: Int) -> UsageQueue.Batch {
        UsageQueue.Batch(number, Array(String(repeating: "{}\n", count: events + 1).utf8))!
    }

    private static func queue(_ events: [Int]) -> UsageQueue {
        let reading = UsageReading(incarnation: 1, counters: [])
        let ledger = UsageLedger(identity: "x", pool: "edge", from: reading, at: UnixTime(milliseconds: 1))
        return UsageQueue(events.enumerated().map { batch(UInt64($0 + 1), events: $1) }, ledger: ledger)
    }

    @Test func `at the limit the last batch is merged, but never the one that may be on its way`() {
        #expect(Self.queue([]).mergeable(limit: 0) == nil)
        #expect(Self.queue([0]).mergeable(limit: 0) == nil)
        #expect(Self.queue([1]).mergeable(limit: 0) == nil)
        #expect(Self.queue([1, 0]).mergeable(limit: 0) == nil)
        #expect(Self.queue([1, 1]).mergeable(limit: 12) == 2)
        #expect(Self.queue([1, 1]).mergeable(limit: 13) == nil)
    }

    @Test func `a delivered batch stays without events only as the newest, until a newer one has the ledger`() {
        var queue = Self.queue([1, 2])
        #expect(queue.pendingEvents == 3 && queue.head?.number == 1 && !queue.isHeadNewest)
        queue.remove(1)
        #expect(queue.pendingEvents == 2 && queue.head?.number == 2 && queue.isHeadNewest && queue.emptied == nil)
        queue.write(Self.batch(2, events: 0), queue.ledger, unsettled: 5)
        #expect(queue.pendingEvents == 0 && queue.bytes == 3 && queue.head == nil && queue.emptied == 2)
        #expect(queue.unsettled == 5)
        queue.remove(2)
        queue.write(Self.batch(3, events: 1), queue.ledger, unsettled: nil)
        #expect(queue.head?.number == 3 && queue.emptied == nil && queue.unsettled == nil)
    }

    @Test(arguments: ["", "{}", "{}\n{"])
    func `a file of incomplete lines is no batch`(_ content: String) {
        #expect(UsageQueue.Batch(1, Array(content.utf8)) == nil)
    }
}
