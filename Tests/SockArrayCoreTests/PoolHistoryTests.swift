import Testing

@testable import PoolModel
@testable import PoolReport

@Suite struct PoolHistoryTests {
    private static let start = ContinuousClock.now

    /// c1, and another collector that stays as it is.
    private static func moment(
        _ registrations: UInt64, _ state: SlotState, beside other: SlotState = .active
    ) -> [CollectorMoment] {
        [
            .init(name: "c1", registrations: registrations, state: state),
            .init(name: "other", registrations: 1, state: other),
        ]
    }

    /// The events of a second look, after a first look at the previous state.
    private static func entries(
        _ before: (UInt64, SlotState), _ after: (UInt64, SlotState), loss: String? = nil
    ) -> [PoolHistory.Entry] {
        var history = PoolHistory()
        #expect(history.look(moment(before.0, before.1), hasAffinity: true, at: start + .seconds(100)).isEmpty)
        return history.look(
            moment(after.0, after.1), losses: loss.map { ["c1": $0] } ?? [:], hasAffinity: true,
            at: start + .milliseconds(103_500))
    }

    private static func kinds(
        _ before: (UInt64, SlotState), _ after: (UInt64, SlotState), loss: String? = nil
    ) -> [PoolEvent.Kind] { entries(before, after, loss: loss).map(\.kind) }

    @Test func `a collector's events are registered, lost, held, failed over, registered, returned`() {
        var history = PoolHistory()
        func look(_ registrations: UInt64, _ state: SlotState, at time: Int, loss: String? = nil) -> [String] {
            history.look(
                Self.moment(registrations, state), losses: loss.map { ["c1": $0] } ?? [:], hasAffinity: true,
                at: Self.start + .seconds(time)
            ).map { "\($0.kind.rawValue): \($0.text)" }
        }
        #expect(look(0, .empty, at: 0) == [])
        #expect(look(1, .active, at: 1) == ["registered: collector c1 is registered"])
        #expect(
            look(1, .holding(left: .milliseconds(9_500)), at: 2, loss: "has ended (process 7)") == [
                "lost: collector c1 has ended (process 7)",
                "held: collector c1 is away: its exporters' traffic is dropped for up to 9.5 s",
            ])
        #expect(look(1, .holding(left: .seconds(4)), at: 7) == [])
        #expect(
            look(1, .failed, at: 12) == [
                "failed_over: collector c1 did not come back in time: its exporters are at other collectors"
            ])
        #expect(look(1, .failed, at: 13) == [])
        #expect(
            look(2, .active, at: 20) == [
                "registered: collector c1 is registered",
                "returned: collector c1 is back after 18 s: its exporters return",
            ])
    }

    @Test func `without affinity the others get a lost collector's turns at once, until it is back`() {
        var history = PoolHistory()
        func look(_ registrations: UInt64, _ state: SlotState) -> [String] {
            history.look(Self.moment(registrations, state), hasAffinity: false, at: Self.start).map(\.text)
        }
        #expect(look(1, .active) == [])
        #expect(
            look(1, .holding(left: .seconds(9))) == [
                "collector c1 is gone", "collector c1 is away: its turns go to the others",
            ])
        #expect(look(1, .failed) == ["collector c1 did not come back in time: its turns go to the others"])
        #expect(
            look(2, .active) == [
                "collector c1 is registered", "collector c1 is back after 0 s: it has its turns again",
            ])
    }

    @Test func `a collector that reads nothing fails over without a loss, until it reads again`() {
        let entries = Self.entries((1, .active), (1, .stalled))
        #expect(entries.map(\.kind) == [.failedOver])
        let message = entries[0].message(of: .init(name: "c1"), nil)
        #expect(
            message?.text
                == "collector c1 reads nothing: its exporters are at other collectors until it reads again")
        #expect(Self.kinds((1, .stalled), (1, .stalled)) == [])
        #expect(Self.kinds((1, .stalled), (2, .active)) == [.registered, .returned])
        // Its process ends while it is set aside.
        #expect(Self.kinds((1, .stalled), (1, .failed), loss: "has ended (process 7)") == [])
    }

    @Test func `a collector that is lost and back between two looks is lost, registered and returned`() {
        #expect(Self.kinds((1, .active), (2, .active), loss: "has ended") == [.lost, .registered, .returned])
        #expect(Self.kinds((1, .active), (2, .active)) == [.registered])
    }

    @Test func `a collector that never came is held from its first packet, then failed over and never returned`() {
        #expect(Self.kinds((0, .empty), (0, .holding(left: .seconds(1)))) == [.held])
        #expect(Self.kinds((0, .holding(left: .seconds(1))), (0, .absent)) == [.failedOver])
        #expect(Self.kinds((0, .absent), (1, .active)) == [.registered])
        #expect(Self.kinds((0, .empty), (0, .empty)) == [])
    }

    @Test(arguments: [SlotState.failed, .holding(left: .seconds(1)), .empty])
    func `where no other collector is usable, the events of a hold and its end say that traffic is dropped`(
        other: SlotState
    ) {
        for (hasAffinity, words) in [
            (true, "no other collector can take its exporters, and their traffic is dropped"),
            (false, "no collector is usable, and all traffic is dropped"),
        ] {
            var history = PoolHistory()
            func look(_ state: SlotState) -> [String] {
                history.look(Self.moment(1, state, beside: other), hasAffinity: hasAffinity, at: Self.start).map(\.text)
            }
            #expect(look(.active) == [])
            #expect(look(.holding(left: .seconds(9))) == ["collector c1 is gone", "collector c1 is away: \(words)"])
            #expect(look(.failed) == ["collector c1 did not come back in time: \(words)"])
        }
    }

    @Test func `exporters that the usable collectors don't take, because they drain, are dropped after the hold`() {
        var history = PoolHistory()
        func look(_ state: SlotState) -> String? {
            history.look(
                Self.moment(1, state, beside: .draining), hasAffinity: true, stranded: ["c1"], at: Self.start
            ).last?.text
        }
        #expect(look(.active) == nil)
        #expect(
            look(.failed)?.hasSuffix("no other collector can take its exporters, and their traffic is dropped") == true)
    }

    @Test func `an unregistered collector is lost and failed over at once; a drain is no event`() {
        let entries = Self.entries((1, .active), (1, .failed), loss: "was unregistered")
        #expect(entries.map(\.kind) == [.lost, .failedOver] && entries[0].text == "collector c1 was unregistered")
        #expect(Self.kinds((1, .active), (1, .draining)) == [])
        #expect(Self.kinds((1, .draining), (1, .holding(left: .seconds(1)))) == [.lost, .held])
    }

    @Test func `a loss with an unknown cause is reported by the next look, and others meanwhile`() {
        var history = PoolHistory()
        func look(_ first: SlotState, _ second: SlotState, pending: Set<String>, losses: [String: String]) -> [String] {
            history.look(
                [
                    .init(name: "c1", registrations: 1, state: first),
                    .init(name: "c2", registrations: 1, state: second),
                    .init(name: "c3", registrations: 1, state: .active),
                ],
                pending: pending, losses: losses, hasAffinity: true, at: Self.start
            ).map(\.text)
        }
        #expect(look(.active, .active, pending: [], losses: [:]) == [])
        #expect(
            look(.holding(left: .seconds(1)), .failed, pending: ["c1"], losses: ["c2": "was unregistered"]) == [
                "collector c2 was unregistered",
                "collector c2 is gone, without a hold: its exporters are at other collectors",
            ])
        #expect(
            look(.holding(left: .seconds(1)), .failed, pending: [], losses: ["c1": "has ended (process 7)"]) == [
                "collector c1 has ended (process 7)",
                "collector c1 is away: its exporters' traffic is dropped for up to 1 s",
            ])
    }

    @Test func `an agent that starts repeats no event, and reports the end of a hold that it found`() {
        #expect(Self.kinds((3, .holding(left: .seconds(2))), (3, .failed)) == [.failedOver])
        #expect(
            Self.entries((3, .failed), (4, .active)).map(\.text).last == "collector c1 is back: its exporters return")
        var history = PoolHistory()
        _ = history.look(Self.moment(1, .active), hasAffinity: true, at: Self.start)
        // A name that a reload adds, or takes out.
        let two = Self.moment(1, .active) + [.init(name: "c2", registrations: 5, state: .active)]
        #expect(history.look(two, hasAffinity: true, at: Self.start).isEmpty)
        #expect(history.look(Self.moment(1, .active), hasAffinity: true, at: Self.start).isEmpty)
    }

    @Test func `when 1 of 4 collectors leaves, the shifts are its rows by the collectors that gain them`() {
        let names = (1...4).map { "c\($0)" }
        let pool = PoolConfiguration(
            pool: "edge", collectors: names.map { .init(name: $0) }, groups: [], tableSize: 1_024)
        let table = AssignmentTable(pool)
        let rows = table.rows(for: WeightedCollector.all(of: pool, SlotAllocation(names: names)))
        func snapshot(_ states: [SlotState], seed: String = pool.seed) -> RowSnapshot {
            var pool = pool
            pool.seed = seed
            return RowSnapshot(
                pool, rows: Array(rows.prefix(1_024)), waiting: [:], .of(states), collectors: [])
        }
        func moved(from before: [SlotState], to after: RowSnapshot?) -> String? {
            var history = PoolHistory()
            #expect(history.lookAtRows(of: snapshot(before), name: name) == nil, "the first look remembers")
            return history.lookAtRows(of: after, name: name)
        }
        func name(_ slot: Slot) -> String { "c\(slot.index + 1)" }
        let all = Array(repeating: SlotState.active, count: 4)
        let failed: [SlotState] = [.active, .active, .active, .failed]
        #expect(moved(from: all, to: snapshot(all)) == nil)
        #expect(moved(from: all, to: snapshot([.active, .active, .active, .holding(left: .seconds(1))])) == nil)
        #expect(moved(from: all, to: snapshot(failed, seed: "another")) == nil && moved(from: all, to: nil) == nil)
        let left = rows.prefix(1_024).filter { $0.owner == Slot(3) }
        let shifts = Dictionary(grouping: left) { $0.ranks[1] }
            .sorted { ($1.value.count, $0.key) < ($0.value.count, $1.key) }
            .map { "c4 -> \(name($0.key)) \($0.value.count)" }
        #expect(shifts.count == 3)
        #expect(
            moved(from: all, to: snapshot(failed))
                == "\(left.count) of 1024 table rows: \(shifts.joined(separator: ", "))")
    }

    @Test func `failover, return and the hold of a collector that never came are logged once, with the next step`() {
        var table = TableStatus(
            pool: "edge", assignment: "rendezvous", tableSize: 256, restartHold: 10,
            collectors: [.init(name: "c1", slot: 0, standing: .usable)], hasAffinity: true, SlotAvailability()
        ) { _ in (BucketRow(ranks: []), nil) }
        (table.collectors[0].owned, table.collectors[0].served, table.collectors[0].servedOfOthers) = (100, 90, 10)
        func news(
            _ before: (UInt64, SlotState), _ after: (UInt64, SlotState), hasAffinity: Bool = true,
            isCounted: Bool = true
        ) -> [PoolHistory.Entry.Message] {
            var history = PoolHistory()
            func look(_ state: (UInt64, SlotState)) -> [PoolHistory.Entry] {
                history.look(Self.moment(state.0, state.1), hasAffinity: hasAffinity, at: Self.start)
            }
            _ = look(before)
            return look(after).compactMap {
                $0.message(of: .init(name: "c1"), isCounted ? table : nil)
            }
        }
        let failedOver = news((1, .holding(left: .seconds(1))), (1, .failed))
        #expect(
            failedOver.map(\.text) == [
                "collector c1 did not come back in time: its exporters are at other collectors (100 of 256 table rows) "
                    + "until it registers; start it again by: reuseport-agent exec --collector c1 -- COMMAND, "
                    + "or, if it runs: reuseport-agent register --collector c1 --pid PID"
            ])
        #expect(failedOver.map(\.isWarning) == [true])
        #expect(
            news((1, .failed), (2, .active)).map(\.text) == [
                "collector c1 is back: its exporters return (100 of 256 table rows); "
                    + "rows that wait for BMP sessions at other collectors to end: 20"
            ])
        #expect(
            news((0, .empty), (0, .holding(left: .seconds(1)))).map(\.text)[0].hasPrefix(
                "collector c1 never registered: its exporters' traffic is dropped for up to 1 s "
                    + "(100 of 256 table rows); start it by: "))
        // Where the rows can't be read, only their number is left out.
        #expect(
            news((0, .empty), (0, .holding(left: .seconds(1))), isCounted: false).map(\.text)[0].hasPrefix(
                "collector c1 never registered: its exporters' traffic is dropped for up to 1 s; start it by: "))
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
