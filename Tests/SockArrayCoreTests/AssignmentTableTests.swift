import Testing

@testable import PoolModel
@testable import PoolReport
@testable import SockArrayCore

@Suite struct AssignmentTableTests {
    private let names = (1...8).map { "c\($0)" }

    @Test(arguments: [Assignment.rendezvous, .maglev])
    func `three addresses of one device have its name's bucket, whatever the order`(assignment: Assignment) throws {
        let device = PoolConfiguration.Exporter("pe1.zrh", "192.0.2.1", "2001:db8::1", "198.51.100.0/24")
        let other = PoolConfiguration.Exporter("pe2", "198.51.100.7")
        let plan = AssignmentPlan(.pool(names, assignment: assignment, exporters: [device, other]))
        let turned = AssignmentPlan(
            .pool(
                names.reversed(), assignment: assignment,
                exporters: [other, .init("pe1.zrh", "198.51.100.0/24", "2001:db8::1", "192.0.2.1")]))
        let addresses = try ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "198.51.100.9"].map {
            plan.explain(try #require(IPAddress($0)))
        }
        #expect(Set(addresses.map(\.exporter)) == ["pe1.zrh"] && Set(addresses.map(\.why)) == ["alias"])
        #expect(Set(addresses.map(\.ranks)).count == 1)
        #expect(turned.explain(try #require(IPAddress("192.0.2.1"))).ranks == addresses[0].ranks)
        #expect(plan.explain(try #require(IPAddress("198.51.100.7"))).exporter == "pe2")
        #expect(plan.explain(try #require(IPAddress("203.0.113.1"))).why == "owner")
    }

    @Test func `a pin is rank 1, then its bucket's ranks follow without it`() throws {
        for pin in names {
            let plan = AssignmentPlan(.pool(names, exporters: [.init("elephant", "198.51.100.7", pin: pin)]))
            let free = AssignmentPlan(.pool(names, exporters: [.init("elephant", "198.51.100.7")]))
            let address = try #require(IPAddress("198.51.100.7"))
            let (pinned, unpinned) = (plan.explain(address), free.explain(address))
            #expect(pinned.why == "pin" && pinned.collector == pin)
            #expect(pinned.ranks == Array(([pin] + unpinned.ranks.filter { $0 != pin }).prefix(4)))
            #expect(pinned.bucket == unpinned.bucket)
        }
    }

    @Test func `the agent's pins hold for addresses and names, and yield to the configuration`() throws {
        let exporters: [PoolConfiguration.Exporter] = [
            .init("alias", "192.0.2.1"), .init("fixed", "192.0.2.2", pin: "c1"), .init("network", "10.0.0.0/8"),
        ]
        let plan = AssignmentPlan(
            .pool(names, exporters: exporters),
            pins: [
                Pin(exporter: "alias", collector: "c5"), Pin(exporter: "fixed", collector: "c5"),
                Pin(exporter: "203.0.113.9", collector: "c6"), Pin(exporter: "10.1.1.1", collector: "c6"),
                Pin(exporter: "203.0.113.10", collector: "gone"), Pin(exporter: "nobody", collector: "c6"),
            ])
        func collector(_ text: String) throws -> String? { plan.explain(try #require(IPAddress(text))).collector }
        #expect(try collector("192.0.2.1") == "c5")
        #expect(try collector("192.0.2.2") == "c1")
        #expect(try collector("203.0.113.9") == "c6")
        #expect(try plan.explain(#require(IPAddress("::ffff:203.0.113.9"))).why == "pin")
        // Part of an alias: its identity is the alias.
        #expect(try plan.explain(#require(IPAddress("10.1.1.1"))).exporter == "network")
        #expect(try plan.explain(#require(IPAddress("203.0.113.10"))).why == "owner")
    }

    @Test func `without exporters there are no lookups, and rows are those of the table`() {
        let table = AssignmentTable(.pool(names))
        #expect(table.lookup.isEmpty && table.rowCount == 65_536)
    }

    @Test func `turns for weights 5, 1 and 1 are those of nginx's smooth round-robin, by hand`() {
        // Credits after each turn, from (5, 1, 1): a -2 1 1, a -4 2 2, b 1 -4 3, a -1 -3 4, c 4 -2 -2, a 2 -1 -1, a 0 0 0.
        let table = AssignmentTable(.pool(["a", "b", "c"], weights: ["a": 5], assignment: .roundRobin))
        #expect(table.tableSize == 7)
        let candidates = ["a", "b", "c"].enumerated().map {
            WeightedCollector(name: $0.element, weight: $0.offset == 0 ? 5 : 1, slot: Slot(UInt16($0.offset)))
        }
        let turns = table.rows(for: candidates).map { $0.owner!.index }
        #expect(turns == [0, 0, 1, 0, 2, 0, 0])
    }

    @Test func `weights with a common divisor make a short cycle`() {
        let table = AssignmentTable(.pool(["a", "b"], weights: ["a": 1_000, "b": 500], assignment: .kernel))
        #expect(table.tableSize == 3)
    }

    @Test func `without affinity explain names no collector`() throws {
        let plan = AssignmentPlan(.pool(names, assignment: .roundRobin))
        let explanation = plan.explain(try #require(IPAddress("192.0.2.1")))
        #expect(explanation.why == "round-robin" && explanation.collector == nil && explanation.bucket == nil)
        #expect(explanation.ranks == names)
    }
}
