import Testing

@testable import PoolReport

@Suite struct EventLogTests {
    private static func log(_ events: [(PoolEvent.Kind, exporter: Bool)]) -> EventLog {
        var log = EventLog()
        for (kind, exporter) in events {
            log.add(kind, at: 1, collector: "c1", exporter: exporter ? "192.0.2.1" : nil, "")
        }
        return log
    }

    @Test func `10,000 events of exporters push out no event of a collector, and the last 256 are kept`() {
        let life: [(PoolEvent.Kind, Bool)] = [(.lost, false), (.held, false), (.failedOver, false)]
        let news = (0..<10_000).map { ($0 % 2 == 0 ? PoolEvent.Kind.newExporter : .moved, true) }
        let all = Self.log(life + news).after(0)
        #expect(all.prefix(3).map(\.kind) == [.lost, .held, .failedOver])
        #expect(all.map(\.id) == Array(1...3) + Array(9_748...10_003))
    }

    @Test func `moved rows count as events of the pool, and the sum of new exporters as one of exporters`() {
        // Rows are the pool's, `n more exporters are new` the exporters'.
        let all = Self.log(
            [(.moved, false)] + Array(repeating: (.newExporter, false), count: 300)
                + Array(repeating: (.registered, false), count: 255)
        ).after(0)
        #expect(all.count == 512 && all[0].kind == .moved && all[0].id == 1)
    }

    @Test(arguments: [0, 1, 2, 3, 300, 599, 600, 601, UInt64.max])
    func `a reader gets the events above its number, ascending, each once`(id: UInt64) {
        let log = Self.log((0..<600).map { $0 % 3 == 0 ? (.registered, false) : (.newExporter, true) })
        #expect(log.lastID == 600)
        let all = log.after(0).map(\.id)
        #expect(all == Array(Set(all)).sorted() && all.count == 200 + 256)
        #expect(log.after(id).map(\.id) == all.filter { $0 > id })
    }

    @Test func `missed events are those that are no longer kept, also in gaps`() {
        let log = Self.log([(.lost, false)] + Array(repeating: (.newExporter, true), count: 300))
        func missed(after id: UInt64) -> MissedEvents? {
            MissedEvents(after: id, last: log.lastID, kept: log.after(id).count)
        }
        #expect(missed(after: 0)?.missed == 44 && missed(after: 1)?.missed == 44)
        #expect(missed(after: 44) == MissedEvents(missed: 1, text: "events that are no longer kept: 1"))
        #expect(missed(after: 45) == nil && missed(after: 301) == nil && missed(after: 400) == nil)
    }
}
