import Testing

@testable import PoolModel
@testable import PoolReport

@Suite struct PoolHistoryTests {
    private static func moment(_ registrations: UInt64, _ state: SlotState) -> [PoolHistory.Moment] {
        [.init(name: "c1", registrations: registrations, state: state)]
    }

    /// The events of a second look, after a first look at the previous state.
    private static func entries(
        _ before: (UInt64, SlotState), _ after: (UInt64, SlotState), loss: String? = nil
    ) -> [PoolHistory.Entry] {
        var history = PoolHistory()
        #expect(history.look(moment(before.0, before.1), hasAffinity: true, at: .seconds(100)).isEmpty)
        return history.look(
            moment(after.0, after.1), losses: loss.map { ["c1": $0] } ?? [:], hasAffinity: true,
            at: .milliseconds(103_500))
    }

    private static func kinds(
        _ before: (UInt64, SlotState), _ after: (UInt64, SlotState), loss: String? = nil
    ) -> [PoolEvent.Kind] { entries(before, after, loss: loss).map(\.kind) }

    @Test func `a collector's events are registered, lost, held, failed over, registered, returned`() {
        var history = PoolHistory()
        func look(_ registrations: UInt64, _ state: SlotState, at time: Int, loss: String? = nil) -> [String] {
            history.look(
                Self.moment(registrations, state), losses: loss.map { ["c1": $0] } ?? [:], hasAffinity: true,
                at: .seconds(time)
            ).map { "\($0.kind.rawValue): \($0.text)" }
        }
        #expect(look(0, .empty, at: 0) == [])
        #expect(look(1, .active, at: 1) == ["registered: collector c1 is registered"])
        #expect(
            look(1, .holding(left: .milliseconds(9_500)), at: 2, loss: "has ended (process 7)") == [
                "lost: collector c1 has ended (process 7)",
                "held: collector c1 is away: its exporters are held for 9.5 s",
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
            history.look(Self.moment(registrations, state), hasAffinity: false, at: .seconds(5)).map(\.text)
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

    @Test func `an unregistered collector is lost and failed over at once; a drain is no event`() {
        let entries = Self.entries((1, .active), (1, .failed), loss: "was unregistered")
        #expect(entries.map(\.kind) == [.lost, .failedOver] && entries[0].text == "collector c1 was unregistered")
        #expect(Self.kinds((1, .active), (1, .draining)) == [])
        #expect(Self.kinds((1, .draining), (1, .holding(left: .seconds(1)))) == [.lost, .held])
    }

    @Test func `a loss with an unknown cause is reported by the next look, and others meanwhile`() {
        var history = PoolHistory()
        func look(_ first: SlotState, _ second: SlotState, untold: Set<String>, losses: [String: String]) -> [String] {
            history.look(
                [
                    .init(name: "c1", registrations: 1, state: first),
                    .init(name: "c2", registrations: 1, state: second),
                ],
                untold: untold, losses: losses, hasAffinity: true, at: .zero
            ).map(\.text)
        }
        #expect(look(.active, .active, untold: [], losses: [:]) == [])
        #expect(
            look(.holding(left: .seconds(1)), .failed, untold: ["c1"], losses: ["c2": "was unregistered"]) == [
                "collector c2 was unregistered",
                "collector c2 is gone, without a hold: its exporters are at other collectors",
            ])
        #expect(
            look(.holding(left: .seconds(1)), .failed, untold: [], losses: ["c1": "has ended (process 7)"]) == [
                "collector c1 has ended (process 7)", "collector c1 is away: its exporters are held for 1 s",
            ])
    }

    @Test func `an agent that starts repeats no event, and reports the end of a hold that it found`() {
        #expect(Self.kinds((3, .holding(left: .seconds(2))), (3, .failed)) == [.failedOver])
        #expect(
            Self.entries((3, .failed), (4, .active)).map(\.text).last == "collector c1 is back: its exporters return")
        var history = PoolHistory()
        _ = history.look(Self.moment(1, .active), hasAffinity: true, at: .zero)
        // A name that a reload adds, or takes out.
        let two = Self.moment(1, .active) + [.init(name: "c2", registrations: 5, state: .active)]
        #expect(history.look(two, hasAffinity: true, at: .zero).isEmpty)
        #expect(history.look(Self.moment(1, .active), hasAffinity: true, at: .zero).isEmpty)
    }

    @Test func `when 1 of 4 collectors leaves, the shifts are its rows by the collectors that gain them`() throws {
        let names = (1...4).map { "c\($0)" }
        let pool = PoolConfiguration(
            pool: "edge", collectors: names.map { .init(name: $0) }, groups: [], tableSize: 1_024)
        let table = AssignmentTable(pool)
        let rows = table.rows(for: WeightedCollector.all(of: pool, SlotAllocation(names: names)))
        func deliveries(_ states: [SlotState]) -> RowDeliveries {
            let availability = SlotAvailability.of(states)
            return RowDeliveries(
                rows.indices.prefix(1_024).map { availability.deliverer(of: rows[$0], at: $0) }, table.shape)
        }
        let before = deliveries(Array(repeating: .active, count: 4))
        #expect(before.shifts(to: deliveries([.active, .active, .active, .holding(left: .seconds(1))])) == [])
        let shifts = try #require(before.shifts(to: deliveries([.active, .active, .active, .failed])))
        #expect(shifts.map(\.rows).reduce(0, +) == rows.prefix(1_024).count { $0.owner == Slot(3) })
        #expect(shifts.count == 3 && shifts.allSatisfy { $0.from == Slot(3) } && shifts[0].rows >= shifts[2].rows)
        let text = RowDeliveries.text(of: shifts, total: 1_024) { "c\($0.index + 1)" }
        #expect(text?.contains("of 1024 rows: c4 -> c") == true, "\(text ?? "")")
        #expect(RowDeliveries.text(of: [], total: 1_024) { _ in "" } == nil)
    }
}
