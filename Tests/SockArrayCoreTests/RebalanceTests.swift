import Testing

@testable import PoolModel

@Suite struct RebalanceTests {
    private typealias Load = Rebalance.Load

    private static func collectors(_ weights: [Int]) -> [(name: String, weight: Int)] {
        weights.enumerated().map { ("c\($0.offset)", $0.element) }
    }

    private static func even(_ count: Int) -> [(name: String, weight: Int)] {
        collectors(Array(repeating: 1, count: count))
    }

    /// Exporters at a hash's collector, each sending its number of bytes.
    private static func loads(_ bytes: [UInt64], at collectors: [String]) -> [Load] {
        zip(bytes, collectors).enumerated().map { index, load in
            Load(exporter: "e\(index)", collector: load.1, home: load.1, bytes: load.0)
        }
    }

    /// Lognormal rates of median 1 MB, each exporter at a random one of the collectors.
    private static func lognormal(
        _ count: Int, over collectors: [(name: String, weight: Int)], sigma: Double = 1.5, seed: UInt64
    ) -> [Load] {
        var generator = SplitMix(state: seed)
        return (0..<count).map { index in
            // Twelve uniform draws: mean 0, standard deviation 1. And e^x by
            // squaring 1 + x / 2^20, for want of libm, which differs between hosts.
            let draw = (0..<12).reduce(-6.0) { sum, _ in sum + Double(generator.next() >> 11) * 0x1p-53 }
            let factor = (0..<20).reduce(1 + sigma * draw * 0x1p-20) { square, _ in square * square }
            let place = collectors[Int(generator.next() % UInt64(collectors.count))].name
            return Load(exporter: "e\(index)", collector: place, home: place, bytes: UInt64(1e6 * factor))
        }
    }

    /// The highest ratio with these pins and all other exporters at home, computed independently.
    private static func highestRatio(
        _ loads: [Load], _ collectors: [(name: String, weight: Int)], pins: [Pin]
    ) -> Double {
        let pinned = Dictionary(uniqueKeysWithValues: pins.map { ($0.exporter, $0.collector) })
        var carried: [String: Double] = [:]
        for load in loads { carried[pinned[load.exporter] ?? load.home, default: 0] += Double(load.bytes) }
        let total = carried.values.reduce(0, +)
        let weight = Double(collectors.reduce(0) { $0 + $1.weight })
        return collectors.map { carried[$0.name, default: 0] * weight / (Double($0.weight) * total) }.max()!
    }

    /// The loads once the plan's pins hold.
    private static func applying(_ plan: Rebalance, to loads: [Load]) -> [Load] {
        let pinned = Dictionary(uniqueKeysWithValues: plan.pins.map { ($0.exporter, $0.collector) })
        return loads.map {
            Load(
                exporter: $0.exporter, collector: pinned[$0.exporter] ?? $0.home, home: $0.home, bytes: $0.bytes,
                isMovable: $0.isMovable)
        }
    }

    @Test func `few pins bring 200 lognormal exporters on 8 collectors from above 1.5 to 1.10`() {
        let collectors = Self.even(8)
        var counts: [Int] = []
        for seed in UInt64(1)...60 where counts.count < 20 {
            let loads = Self.lognormal(200, over: collectors, seed: seed)
            let total = loads.reduce(0) { $0 + $1.bytes }
            let feasible = loads.allSatisfy { Double($0.bytes) * 8 <= 1.10 * Double(total) }
            guard feasible, Self.highestRatio(loads, collectors, pins: []) > 1.5 else { continue }
            let plan = Rebalance(loads: loads, collectors: collectors, bound: 1.10)
            #expect(plan.isReached)
            #expect(plan.before > 1.5 && plan.after <= 1.10)
            #expect(plan.moved.count == plan.pins.count)
            counts.append(plan.moved.count)
        }
        #expect(counts.count == 20)
        #expect(counts.reduce(0, +) < 10 * 20)
        // More are needed where one exporter alone has its collector's whole share.
        #expect(counts.filter { $0 > 20 }.count <= 1 && counts.max()! <= 25)
        print("moved of 200 exporters, 20 seeds: \(counts), mean \(Double(counts.reduce(0, +)) / 20)")
    }

    @Test func `with its pins applied a plan has the ratio that it states, for any weights`() {
        let collectors = Self.collectors([1, 2, 3, 5])
        for seed in UInt64(1)...10 {
            let loads = Self.lognormal(150, over: collectors, sigma: 1, seed: seed)
            let plan = Rebalance(loads: loads, collectors: collectors, bound: 1.10)
            #expect(plan.isReached)
            #expect(abs(plan.before - Self.highestRatio(loads, collectors, pins: [])) < 0x1p-40)
            #expect(abs(plan.after - Self.highestRatio(loads, collectors, pins: plan.pins)) < 0x1p-40)
            #expect(plan.moved.map(\.exporter) == plan.pins.map(\.exporter))
            #expect(plan.moved.map(\.to) == plan.pins.map(\.collector))
            #expect(plan.moved.map(\.bytes) == plan.moved.map(\.bytes).sorted(by: >))
        }
    }

    @Test func `without any one of its pins the bound of 1.10 is broken`() {
        let collectors = Self.even(8)
        for seed in UInt64(11)...20 {
            let loads = Self.lognormal(200, over: collectors, sigma: 1, seed: seed)
            let plan = Rebalance(loads: loads, collectors: collectors, bound: 1.10)
            #expect(plan.isReached && plan.pins.count > 0)
            for pin in plan.pins {
                #expect(Self.highestRatio(loads, collectors, pins: plan.pins.filter { $0 != pin }) > 1.10)
            }
        }
    }

    /// The fewest pins of all 3^8 placements, nil if none is within the bound.
    private static func fewestPins(_ loads: [Load], bound: Double) -> Int? {
        let limit = bound * loads.reduce(0) { $0 + Double($1.bytes) } / 3
        var fewest: Int?
        func place(_ rest: ArraySlice<Load>, _ carried: [Double], _ pins: Int) {
            guard let load = rest.first else { return fewest = pins }
            for (index, bytes) in carried.enumerated() where bytes + Double(load.bytes) <= limit {
                let count = load.home == "c\(index)" ? pins : pins + 1
                if count >= fewest ?? .max { continue }
                var carried = carried
                carried[index] += Double(load.bytes)
                place(rest.dropFirst(), carried, count)
            }
        }
        place(loads[...], [0, 0, 0], 0)
        return fewest
    }

    @Test func `a plan takes at most 1 pin more than the best of all plans`() {
        var (solvable, optimal) = (0, 0)
        for seed in UInt64(1)...100 {
            let loads = Self.lognormal(8, over: Self.even(3), sigma: seed % 2 == 0 ? 1 : 0.4, seed: seed)
            let plan = Rebalance(loads: loads, collectors: Self.even(3), bound: 1.25)
            let fewest = Self.fewestPins(loads, bound: 1.25)
            #expect(plan.isReached == (fewest != nil))
            guard let fewest else { continue }
            #expect(plan.pins.count <= fewest + 1)
            solvable += 1
            if plan.pins.count == fewest { optimal += 1 }
        }
        print("8 exporters on 3 collectors: \(optimal) of \(solvable) plans have the fewest pins")
        #expect(optimal * 100 >= 95 * solvable)
    }

    @Test func `within the bound nothing changes, and an unnecessary earlier pin is kept`() {
        var loads = Self.loads([100, 104, 96, 1], at: ["c0", "c1", "c2", "c0"])
        let none = Rebalance(loads: loads, collectors: Self.even(3), bound: 1.10)
        #expect(none.pins.isEmpty && none.moved.isEmpty && none.isReached)
        #expect(none.before == none.after)

        loads[3] = Load(exporter: "e3", collector: "c2", home: "c0", bytes: 1)
        let kept = Rebalance(loads: loads, collectors: Self.even(3), bound: 1.10)
        #expect(kept.pins == [Pin(exporter: "e3", collector: "c2")])
        #expect(kept.moved.isEmpty)
    }

    @Test func `a plan of a plan's result changes nothing, whether it reached the bound or not`() {
        for (sigma, seed) in [(1.0, UInt64(3)), (1.5, 4), (2.5, 5)] {
            let collectors = Self.even(8)
            let loads = Self.lognormal(100, over: collectors, sigma: sigma, seed: seed)
            let first = Rebalance(loads: loads, collectors: collectors, bound: 1.10)
            let second = Rebalance(loads: Self.applying(first, to: loads), collectors: collectors, bound: 1.10)
            #expect(first.before > 1.10 && first.moved.count > 0)
            #expect(second.moved.isEmpty)
            #expect(second.pins == first.pins)
        }
    }

    @Test func `an overloaded collector first releases exporters that an earlier plan pinned to it`() {
        let loads = [
            Load(exporter: "heavy", collector: "c0", home: "c0", bytes: 100),
            Load(exporter: "guest", collector: "c0", home: "c1", bytes: 50),
            Load(exporter: "other", collector: "c1", home: "c1", bytes: 50),
        ]
        let plan = Rebalance(loads: loads, collectors: Self.even(2), bound: 1.10)
        #expect(plan.pins.isEmpty)
        #expect(plan.moved == [Rebalance.Move(exporter: "guest", from: "c0", to: "c1", bytes: 50)])
        #expect(plan.before == 1.5 && plan.after == 1)
    }

    @Test func `two full collectors exchange exporters where no single move fits`() {
        let loads = Self.loads([6, 6, 4, 4], at: ["c0", "c0", "c1", "c1"])
        let plan = Rebalance(loads: loads, collectors: Self.even(2), bound: 1.05)
        #expect(plan.before == 1.2 && plan.after == 1)
        #expect(plan.pins.map(\.exporter) == ["e0", "e2"])
        #expect(plan.pins.map(\.collector) == ["c1", "c0"])
    }

    @Test func `a very heavy exporter stays, nearly all others leave it, and the rest is within 1.10`() {
        // 1,000 on c0 next to 1, 2, 3, … 40; 10 each of 20 and 28 on the others.
        let companions = (1...40).map(UInt64.init)
        let loads = Self.loads(
            [1_000] + companions + Array(repeating: 20, count: 10) + Array(repeating: 28, count: 10),
            at: Array(repeating: "c0", count: 41) + Array(repeating: "c1", count: 10)
                + Array(repeating: "c2", count: 10))
        let collectors = Self.even(5)
        let plan = Rebalance(loads: loads, collectors: collectors, bound: 1.10)
        let nearest = 1_000 * 5 / Double(loads.reduce(0) { $0 + $1.bytes })
        #expect(!plan.isReached)
        #expect(plan.after >= nearest && plan.after <= 1.01 * nearest)
        #expect(!plan.moved.contains { $0.exporter == "e0" })
        let others = Self.applying(plan, to: loads).filter { $0.collector != "c0" }
        for collector in collectors.dropFirst() {
            let bytes = others.filter { $0.collector == collector.name }.reduce(0) { $0 + $1.bytes }
            #expect(Double(bytes) <= 1.10 * 2_300 / 5)
        }
    }

    @Test func `two exporters that are too heavy for any collector are separated with no third pin`() {
        let loads = Self.loads([100, 90, 1, 1], at: ["c0", "c0", "c1", "c2"])
        let plan = Rebalance(loads: loads, collectors: Self.even(4), bound: 1.10)
        #expect(plan.pins == [Pin(exporter: "e1", collector: "c3")])
        #expect(plan.after == 100 * 4 / 192 && !plan.isReached)
    }

    @Test func `a too heavy exporter leaves a collector that has an immovable load`() {
        let fixed = Load(exporter: "fixed", collector: "c0", home: "c0", bytes: 40, isMovable: false)
        let loads = Self.loads([100, 5, 20], at: ["c0", "c1", "c2"]) + [fixed]
        let plan = Rebalance(loads: loads, collectors: Self.even(3), bound: 1.10)
        #expect(plan.pins.map(\.exporter) == ["e0", "e1"] && plan.pins[0].collector == "c1")
        #expect(abs(plan.after - 100 * 3 / 165.0) < 0x1p-40)
    }

    @Test func `an exporter too heavy for weight 1 goes to weight 9`() {
        let loads = Self.loads([50, 25, 25], at: ["c0", "c1", "c1"])
        let plan = Rebalance(loads: loads, collectors: Self.collectors([1, 9]), bound: 1.15)
        #expect(plan.pins == [Pin(exporter: "e0", collector: "c1")])
        #expect(plan.before == 5 && plan.isReached)
    }

    @Test func `an immovable exporter stays and gets no pin, even away from its home`() {
        let loads = [
            Load(exporter: "fixed", collector: "c0", home: "c1", bytes: 100, isMovable: false),
            Load(exporter: "free", collector: "c0", home: "c0", bytes: 90),
        ]
        let plan = Rebalance(loads: loads, collectors: Self.even(2), bound: 1.10)
        #expect(plan.pins == [Pin(exporter: "free", collector: "c1")])

        let alone = Rebalance(loads: [loads[0]], collectors: Self.even(2), bound: 1.10)
        #expect(alone.pins.isEmpty && alone.moved.isEmpty)
        #expect(alone.before == 2 && alone.after == 2 && !alone.isReached)
    }

    @Test func `a pin to a collector that left is void, and an exporter of two unlisted ones is left out`() {
        let loads = [
            Load(exporter: "orphan", collector: "gone", home: "c0", bytes: 10),
            Load(exporter: "stray", collector: "gone", home: "lost", bytes: 1_000),
            Load(exporter: "other", collector: "c1", home: "c1", bytes: 10),
        ]
        let plan = Rebalance(loads: loads, collectors: Self.even(2), bound: 1.10)
        #expect(plan.pins.isEmpty && plan.moved.isEmpty)
        #expect(plan.before == 1)
    }

    @Test func `one collector, no collector, no exporter and 0 bytes all have the ratio 1.0`() {
        let loads = Self.loads([7, 9], at: ["c0", "c0"])
        let silent = Self.loads([0, 0, 0], at: ["c0", "c0", "c1"])
        for plan in [
            Rebalance(loads: loads, collectors: Self.even(1), bound: 1.10),
            Rebalance(loads: loads, collectors: [], bound: 1.10),
            Rebalance(loads: [], collectors: Self.even(3), bound: 1.10),
            Rebalance(loads: silent, collectors: Self.even(3), bound: 1.10),
        ] {
            #expect(plan.before == 1 && plan.after == 1 && plan.isReached)
            #expect(plan.pins.isEmpty && plan.moved.isEmpty)
        }
    }

    @Test func `the order of loads and collectors doesn't matter, also among equal exporters`() {
        var generator = SplitMix(state: 9)
        let collectors = Self.collectors([1, 1, 2, 2])
        let equal = (0..<60).map { Load(exporter: "e\($0)", collector: "c0", home: "c0", bytes: 5) }
        for loads in [equal, Self.lognormal(60, over: collectors, seed: 2)] {
            let plan = Rebalance(loads: loads, collectors: collectors, bound: 1.10)
            #expect(plan.moved.count > 0)
            for _ in 0..<3 {
                let shuffled = Rebalance(
                    loads: loads.shuffled(using: &generator), collectors: collectors.shuffled(using: &generator),
                    bound: 1.10)
                #expect(shuffled == plan)
            }
        }
    }

    @Test func `exporters of 2^64 - 1 bytes each, all on 1 of 4 collectors, are spread evenly`() {
        let loads = Self.loads(Array(repeating: .max, count: 40), at: Array(repeating: "c0", count: 40))
        let plan = Rebalance(loads: loads, collectors: Self.even(4), bound: 1.10)
        #expect(plan.before == 4 && plan.isReached)
        #expect(plan.pins.count == 29)
    }

    @Test func `a bound below 1, infinite or not a number doesn't trap`() {
        let loads = Self.lognormal(30, over: Self.even(3), seed: 1)
        for bound in [-1, 0, 0.5, 1, .nan] {
            #expect(!Rebalance(loads: loads, collectors: Self.even(3), bound: bound).isReached)
        }
        #expect(Rebalance(loads: loads, collectors: Self.even(3), bound: .infinity).moved.isEmpty)
    }
}
