/// A deterministic search for few moves that bring every collector under its limit.
///
/// Too heavy exporters and large excesses come first, without a search. Then each
/// level moves one exporter away from the most overloaded collector that can give
/// one. A greedy search keeps the best placement of a level. If its plan has more
/// pins than the lower bound, or leaves overload, a second search keeps the best
/// few, so it also finds exchanges, whose first half makes the placement worse
/// (filtered beam search: Ow and Morton, International Journal of Production
/// Research 26, 1988). Large pools need only the greedy search: among many
/// exporters, one nearly always fits. Then pins that the limits don't need are removed.
struct BeamSearch {
    private let start: Placement
    /// Where the search begins: the start after the moves that need no search.
    private var first: Placement
    /// Exporters from this index on are too heavy for any collector.
    private let firstTooHeavy: Int
    /// What each collector may carry, in bytes: its limit, or 1% more than what no
    /// plan can move to a better place. Otherwise all exporters next to a too
    /// heavy one would get pins.
    private var allowances: [UInt128]

    /// The best placement found, or `start` if none is nearer to the bound.
    static func best(from start: Placement) -> Placement {
        let search = BeamSearch(start: start)
        var best = search.placement(width: 1)
        let size = max(1, start.exporters.count * start.collectors.count)
        let width = min(16, 50_000 / size)
        let cost = search.cost(of: best)
        if width > 1, cost.overload > 0 || cost.pins > search.fewestPins {
            let other = search.placement(width: width)
            if other.isNearer(than: best) || !best.isNearer(than: other) && search.cost(of: other) < cost {
                best = other
            }
        }
        return best.isNearer(than: start) ? best : start
    }

    /// Moves each too heavy exporter, the heaviest first, to the collector whose ratio
    /// is lowest with it, if that is better than its present one by more than 1%.
    private init(start: Placement) {
        self.start = start
        first = start
        let collectors = start.collectors
        let widestRoom = collectors.map { $0.limit - min($0.fixed, $0.limit) }.max() ?? 0
        firstTooHeavy = start.firstIndex(in: Array(start.exporters.indices), from: widestRoom + 1)
        var fixed = collectors.map(\.fixed)
        for exporter in (firstTooHeavy..<start.exporters.count).reversed() {
            let ratios = collectors.indices.map { start.ratio(of: fixed[$0] + start.bytes(exporter), at: $0) }
            var place = start.place[exporter]
            // At equal ratios, the collector that carries the fewest bytes.
            let carried = first.carried
            let best = collectors.indices.min { (ratios[$0], carried[$0]) < (ratios[$1], carried[$1]) }
            if let best, ratios[best] < 0.99 * ratios[place] {
                place = best
                first.move(exporter, to: place)
            }
            fixed[place] += start.bytes(exporter)
        }
        allowances = zip(collectors, fixed).map { $1 <= $0.limit ? $0.limit : $1 + $1 / 100 }
        for giver in collectors.indices { moveMany(from: giver) }
    }

    /// Moves exporters, the heaviest first, while the giver's excess is many times their
    /// bytes: home, then to the collector with the most room. The search would do the
    /// same, but slowly.
    private mutating func moveMany(from giver: Int) {
        for goesHome in [true, false] {
            for exporter in (goesHome ? first.away : first.held)[giver].reversed() where exporter < firstTooHeavy {
                let bytes = first.bytes(exporter)
                if first.carried[giver] <= allowances[giver] + 8 * bytes { break }
                let roomiest = first.collectors.indices.max { first.room(at: $0) < first.room(at: $1) }
                guard let receiver = goesHome ? first.exporters[exporter].home : roomiest,
                    bytes > 0, bytes <= first.room(at: receiver)
                else { continue }
                first.move(exporter, to: receiver)
            }
        }
    }

    /// A lower bound of the pins: the heaviest exporters of each overloaded home leave it.
    private var fewestPins: Int {
        var carried = start.collectors.map(\.fixed)
        for (exporter, facts) in start.exporters.enumerated() {
            if let home = facts.home { carried[home] += start.bytes(exporter) }
        }
        return start.exporters.indices.reversed().reduce(0) { pins, exporter in
            guard let home = start.exporters[exporter].home else { return pins + 1 }
            if carried[home] <= allowances[home] { return pins }
            carried[home] -= start.bytes(exporter)
            return pins + 1
        }
    }

    /// Compared in this order: overload, then pins, then bytes to move.
    private typealias Cost = (overload: Double, pins: Int, movedBytes: UInt128)

    /// One exporter's move, applied to a placement of the beam.
    private struct Candidate {
        let parent: Int
        let exporter: Int
        let receiver: Int
        /// The cost of the placement with this move.
        let cost: Cost
    }

    /// The best placement of a search that keeps `width` placements of each level.
    private func placement(width: Int) -> Placement {
        /// The best placement of the level first.
        var beam = [first]
        var costs = [cost(of: first)]
        /// The best placement so far, once a level is no better.
        var best: (placement: Placement, overload: Double)?
        var levelsWithoutGain = 0
        while costs[0].overload > 0 {
            let level = nextLevel(beam, costs, width: width)
            guard let leader = level.first else { break }
            if leader.cost.overload >= best?.overload ?? costs[0].overload {
                levelsWithoutGain += 1
                if width == 1 || levelsWithoutGain > 3 { break }
                if best == nil { best = (beam[0], costs[0].overload) }
            } else {
                best = nil
                levelsWithoutGain = 0
            }
            costs = level.map(\.cost)
            if width == 1 {
                // In place: a copy takes long where there are many exporters.
                beam[0].move(leader.exporter, to: leader.receiver)
            } else {
                beam = level.map {
                    var placement = beam[$0.parent]
                    placement.move($0.exporter, to: $0.receiver)
                    return placement
                }
            }
        }
        if let best { return withoutNeedlessPins(best.placement) }
        let reached = zip(beam, costs).prefix { $1.overload == costs[0].overload }.map { withoutNeedlessPins($0.0) }
        return reached.min { cost(of: $0) < cost(of: $1) } ?? first
    }

    /// The next level, best first. Placements of equal cost are taken to be the
    /// same one, reached in another order or with an equal exporter.
    private func nextLevel(_ beam: [Placement], _ costs: [Cost], width: Int) -> [Candidate] {
        var all: [Candidate] = []
        for (parent, placement) in beam.enumerated() {
            let overloads = placement.collectors.indices.map { overload(at: $0, carrying: placement.carried[$0]) }
            // The most overloaded collector that has an exporter to give.
            let count = all.count
            for giver in overloads.indices.sorted(by: { (overloads[$1], $0) < (overloads[$0], $1) })
            where all.count == count && overloads[giver] > 0 {
                for receiver in overloads.indices where receiver != giver {
                    for exporter in exporters(of: placement, from: giver, to: receiver, spread: width == 1 ? 1 : 2) {
                        all.append(
                            Candidate(
                                parent: parent, exporter: exporter, receiver: receiver,
                                cost: cost(of: placement, costs[parent], overloads, moving: exporter, to: receiver)))
                    }
                }
            }
        }
        if width == 1 { return all.min { $0.cost < $1.cost }.map { [$0] } ?? [] }
        all.sort {
            $0.cost == $1.cost
                ? ($0.parent, $1.exporter, $0.receiver) < ($1.parent, $0.exporter, $1.receiver) : $0.cost < $1.cost
        }
        var level: [Candidate] = []
        for candidate in all where level.count < width {
            if let last = level.last, last.cost == candidate.cost { continue }
            level.append(candidate)
        }
        return level
    }

    /// The exporters worth a try: those whose bytes are nearest to the giver's excess
    /// and to the receiver's room, and the heaviest; of all and of those with a pin.
    /// An exporter moves once.
    private func exporters(of placement: Placement, from giver: Int, to receiver: Int, spread: Int) -> [Int] {
        let excess = placement.carried[giver] - allowances[giver]
        var chosen: [Int] = []
        for list in [placement.away[giver], placement.held[giver]] where !list.isEmpty {
            for bytes in [excess, placement.room(at: receiver), placement.total] {
                let middle = placement.firstIndex(in: list, from: bytes)
                for exporter in list[max(0, middle - spread)..<min(list.count, middle + spread)]
                where exporter < firstTooHeavy && placement.place[exporter] == start.place[exporter]
                    && placement.bytes(exporter) > 0 && !chosen.contains(exporter)
                {
                    chosen.append(exporter)
                }
            }
        }
        return chosen
    }

    /// The square of the excess over the allowance, relative to the share, times the
    /// weight: many small excesses are better than a large one.
    private func overload(at index: Int, carrying bytes: UInt128) -> Double {
        guard bytes > allowances[index] else { return 0 }
        let excess = start.ratio(of: bytes - allowances[index], at: index)
        return excess * excess * start.collectors[index].weight
    }

    private func cost(of placement: Placement) -> Cost {
        (
            overload: placement.collectors.indices.reduce(0) {
                $0 + overload(at: $1, carrying: placement.carried[$1])
            },
            pins: placement.away.reduce(0) { $0 + $1.count },
            movedBytes: placement.exporters.indices.reduce(0) {
                placement.place[$1] == start.place[$1] ? $0 : $0 + placement.bytes($1)
            }
        )
    }

    /// The cost after one more move, from the overload of each collector before it.
    private func cost(
        of placement: Placement, _ cost: Cost, _ overloads: [Double], moving exporter: Int, to receiver: Int
    ) -> Cost {
        let giver = placement.place[exporter]
        let bytes = placement.bytes(exporter)
        // A sum, not a difference: it is exactly 0 if no collector is overloaded.
        var sum =
            overload(at: giver, carrying: placement.carried[giver] - bytes)
            + overload(at: receiver, carrying: placement.carried[receiver] + bytes)
        for index in overloads.indices where index != giver && index != receiver { sum += overloads[index] }
        let home = placement.exporters[exporter].home
        let pins = cost.pins + (giver == home ? 1 : 0) - (receiver == home ? 1 : 0)
        return (sum, pins, cost.movedBytes + bytes)
    }

    /// Moves exporters home where home has room: those of new pins before those of
    /// old ones, which would move for it, and light ones first. Each may make room
    /// for the next.
    private func withoutNeedlessPins(_ placement: Placement) -> Placement {
        var placement = placement
        let pinned = placement.exporters.indices.filter(placement.isAway)
        let order = pinned.filter { !start.isAway($0) } + pinned.filter(start.isAway)
        var removed: Bool
        repeat {
            removed = false
            for exporter in order where placement.isAway(exporter) {
                guard let home = placement.exporters[exporter].home,
                    placement.carried[home] + placement.bytes(exporter) <= allowances[home]
                else { continue }
                placement.move(exporter, to: home)
                removed = true
            }
        } while removed
        return placement
    }
}
