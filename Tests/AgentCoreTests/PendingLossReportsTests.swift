import PoolModel
import PoolReport
import Testing

@testable import AgentCore

@Suite struct PendingLossReportsTests {
    private static func loss(_ name: String, hasEnded: @escaping () -> Bool) -> PendingLossReports.Loss {
        .init(
            collector: name, what: "has lost tcp 0.0.0.0:1790", fate: "wait", process: "process 7", hasEnded: hasEnded)
    }

    @Test func `a process that ends 20 ms after its first socket has ended; if it lives for 100 ms it lost the socket`()
    {
        var losses = PendingLossReports()
        var isOver = false
        losses.add(Self.loss("c1") { isOver }, now: 1_000)
        losses.add(Self.loss("c2") { false }, now: 1_000)
        #expect(losses.take(now: 20_000_000) == [] && losses.collectors == ["c1", "c2"])
        isOver = true
        #expect(
            losses.take(of: "c1") == [
                .init(collector: "c1", what: "has ended (process 7)", cause: "has ended", fate: "wait")
            ])
        #expect(losses.deadline == 100_001_000 && losses.take(now: 100_000_999) == [])
        #expect(losses.take(now: 100_001_000).map(\.what) == ["has lost tcp 0.0.0.0:1790"])
        #expect(losses.deadline == nil && losses.take(now: .max) == [])
    }

    @Test func `a registration reports its predecessor's loss at once, and no other collector's`() {
        var losses = PendingLossReports()
        losses.add(Self.loss("c1") { false }, now: 0)
        losses.add(Self.loss("c2") { false }, now: 0)
        #expect(losses.take(of: "c1").map(\.collector) == ["c1"] && losses.collectors == ["c2"])
    }

    @Test func `failover, return and the hold of a collector that never came are logged once, with the next step`() {
        let collector = PoolConfiguration.Collector(name: "c1")
        var rows = TableStatus.Collector(name: "c1", slot: 0, standing: .usable)
        (rows.owned, rows.served, rows.servedOfOthers) = (100, 90, 10)
        func news(
            _ before: (UInt64, SlotState), _ after: (UInt64, SlotState), hasAffinity: Bool = true,
            isCounted: Bool = true
        ) -> [CollectorMessages] {
            var history = PoolHistory()
            func look(_ state: (UInt64, SlotState)) -> [PoolHistory.Entry] {
                history.look(
                    [.init(name: "c1", registrations: state.0, state: state.1)], hasAffinity: hasAffinity, at: .zero)
            }
            _ = look(before)
            return look(after).compactMap {
                CollectorMessages(
                    $0, of: collector, rows: isCounted ? rows : nil, total: 256, hasAffinity: hasAffinity,
                    hasRegistered: after.0 > 0, isIntended: false)
            }
        }
        let failedOver = news((1, .holding(left: .seconds(1))), (1, .failed))
        #expect(
            failedOver.map(\.text) == [
                "collector c1 did not come back in time: its exporters are at other collectors (100 of 256 rows) "
                    + "until it registers; start it again by: reuseport-agent exec --collector c1 -- COMMAND, "
                    + "or, if it runs: reuseport-agent register --collector c1 --pid PID"
            ])
        #expect(failedOver.map(\.level) == [.warning])
        #expect(
            news((1, .failed), (2, .active)).map(\.text) == [
                "collector c1 is back: its exporters return (100 of 256 rows), "
                    + "of these 20 when BMP sessions at other collectors have ended"
            ])
        #expect(
            news((0, .empty), (0, .holding(left: .seconds(1)))).map(\.text)[0].hasPrefix(
                "collector c1 never registered: its exporters are held for 1 s (100 of 256 rows), "
                    + "and what comes from them is dropped; start it by: "))
        // Where the rows can't be read, only their number is left out.
        #expect(
            news((0, .empty), (0, .holding(left: .seconds(1))), isCounted: false).map(\.text)[0].hasPrefix(
                "collector c1 never registered: its exporters are held for 1 s, "
                    + "and what comes from them is dropped; start it by: "))
        // Nothing waits and nothing is dropped where the address doesn't decide.
        let others = [
            news((0, .empty), (0, .holding(left: .seconds(1))), hasAffinity: false, isCounted: false),
            news((1, .holding(left: .seconds(1))), (1, .failed), hasAffinity: false, isCounted: false),
        ].flatMap { $0.map(\.text) }
        #expect(others.count == 2)
        #expect(others[0].hasPrefix("collector c1 never registered: its turns go to the others; start it by: "))
        #expect(
            others[1].hasPrefix(
                "collector c1 did not come back in time: its turns go to the others until it registers; start it again")
        )
        // These are logged by whoever notices them.
        #expect(news((1, .active), (1, .holding(left: .seconds(1)))) == [])
    }
}
