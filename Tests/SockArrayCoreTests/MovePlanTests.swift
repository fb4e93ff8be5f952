import Testing

@testable import PoolModel
@testable import PoolReport

@Suite struct MovePlanTests {
    private let tracked = (1...UInt32(2_000)).map {
        TrackedExporter(address: .v4(0x0a00_0000 + $0), runs: 2, bytes: UInt64($0))
    }

    @Test func `adding 1 to 8 moves rows and exporters to it alone, a ninth within 3 sigma`() throws {
        let before = PoolConfiguration.pool((1...8).map { "c\($0)" })
        let after = try ConfigurationChange(add: [.init(name: "c9")]).applied(to: before, act: "plan")
        let plan = MovePlan(from: AssignmentPlan(before), to: AssignmentPlan(after), tracked: tracked)
        #expect(plan.rows.isExact && plan.rows.total == 65_536)
        #expect(Set(plan.moves.map(\.to)) == ["c9"] && Set(plan.exporters.map(\.to)) == ["c9"])
        let expected = 65_536.0 / 9
        #expect(abs(Double(plan.rows.moved) - expected) < 3 * (expected * 8 / 9).squareRoot())
        #expect(plan.moves.reduce(0) { $0 + $1.rows } == plan.rows.moved)
        #expect(plan.moves.reduce(0) { $0 + $1.exportersSeen } == plan.exporters.count)
        #expect(plan.exportersSeen == 2_000)
        #expect(plan.balance.map(\.collector) == (1...9).map { "c\($0)" })
        #expect(plan.balance.last?.weight == .init(before: 0, after: 1))
        #expect(abs(plan.balance.reduce(0) { $0 + $1.share.after } - 1) < 1e-9)
        // Heaviest first, each as the tables say.
        #expect(plan.exporters.map(\.bytes) == plan.exporters.map(\.bytes).sorted(by: >))
        for exporter in plan.exporters.prefix(50) {
            #expect(AssignmentPlan(before).owner(of: IPAddress(exporter.address)!) == exporter.from)
        }
    }

    @Test func `another weight moves rows only to the collector that gains`() throws {
        let before = PoolConfiguration.pool(["c1", "c2", "c3"])
        let after = try ConfigurationChange(weight: [.init(name: "c2", weight: 2)]).applied(to: before, act: "plan")
        let plan = MovePlan(from: AssignmentPlan(before), to: AssignmentPlan(after), tracked: [])
        #expect(Set(plan.moves.map(\.to)) == ["c2"])
        #expect(abs(plan.balance[1].share.after - 0.5) < 0.01)
    }

    @Test func `another seed is compared by addresses: 7 of 8 exporters move, within 2 %`() {
        let before = PoolConfiguration.pool((1...8).map { "c\($0)" })
        var after = before
        after.seed = "other"
        let plan = MovePlan(from: AssignmentPlan(before), to: AssignmentPlan(after), tracked: [])
        #expect(!plan.rows.isExact)
        #expect(abs(Double(plan.rows.moved) / Double(plan.rows.total) - 0.875) < 0.02)
    }

    @Test func `without affinity nothing moves, and the balance is that of turns`() {
        let before = PoolConfiguration.pool(["a", "b"], assignment: .roundRobin)
        let after = PoolConfiguration.pool(["a", "b"], weights: ["a": 3], assignment: .roundRobin)
        let plan = MovePlan(from: AssignmentPlan(before), to: AssignmentPlan(after), tracked: tracked)
        #expect(plan.rows.moved == 0 && plan.exporters.isEmpty)
        #expect(plan.balance.map(\.share.after) == [0.75, 0.25])
    }

    @Test func `a change is refused for present or missing names, and for 0 or 257 collectors`() {
        let pool = PoolConfiguration.pool(["c1"])
        func code(_ change: ConfigurationChange) -> Int32? {
            do { _ = try change.applied(to: pool, act: "plan") } catch { return error.exitCode }
            return nil
        }
        #expect(code(.init(remove: ["c9"])) == 5)
        #expect(code(.init(add: [.init(name: "c1")])) == 5)
        #expect(code(.init(weight: [.init(name: "c9", weight: 2)])) == 5)
        #expect(code(.init(remove: ["c1"])) == 2)
        #expect(code(.init(add: (2...257).map { .init(name: "c\($0)") })) == 2)
        #expect(code(.init(add: [.init(name: "c2", weight: 0)])) == 2)
        #expect(code(.init(weight: [.init(name: "c1", weight: -1)])) == 2)
        #expect(code(.init(add: [.init(name: "../x")])) == 2)
        #expect(code(.init(add: [.init(name: "c2")], remove: ["c1"])) == nil)
        let pinning = PoolConfiguration.pool(["c1", "c2"], exporters: [.init("e", "192.0.2.1", pin: "c2")])
        #expect(throws: Failure.self) { try ConfigurationChange(remove: ["c2"]).applied(to: pinning, act: "plan") }
    }

    @Test func `notes name what rows don't show: new collectors, groups, and changes that need --reshuffle`() throws {
        let before = PoolConfiguration.pool(["c1", "c2"])
        var after = PoolConfiguration.pool(["c1", "c3"], tableSize: 1_024)
        after.groups[0].port = 9_995
        let notes = MovePlan(from: AssignmentPlan(before), to: AssignmentPlan(after), tracked: []).notes
        let parts = [
            "--reshuffle", "new: c3", "of a removed collector", "groups added: ipfix", "groups removed: ipfix",
        ]
        #expect(notes.count == parts.count)
        for (note, part) in zip(notes, parts) { #expect(note.contains(part)) }
        let same = MovePlan(from: AssignmentPlan(before), to: AssignmentPlan(before), tracked: []).notes
        #expect(same == ["the configuration is unchanged"])
    }
}
