/// A deterministic search for few moves that bring every collector under its limit.
///
/// Each level moves one exporter away from the most overloaded collector. A greedy
/// search keeps the best placement of a level; this one keeps the best few, so it
/// also finds exchanges, whose first half makes the placement worse (filtered beam
/// search: Ow and Morton, International Journal of Production Research 26, 1988).
/// Large pools are searched with a beam of 1: among many exporters, one nearly
/// always fits. Then pins that the limits don't need are removed.
struct BeamSearch {
    private let start: Placement
    /// Placements that a level keeps.
    private let width: Int
    /// The best placement first.
    private var beam: [Placement]
    /// The largest limit of all collectors, in bytes.
    private let widestLimit: UInt128

    /// The best placement found, or `start` if none is nearer to the bound.
    static func best(from start: Placement) -> Placement {
        var search = BeamSearch(start: start)
        let best = search.run()
        return best.isNearer(than: start) ? best : start
    }

    private init(start: Placement) {
        self.start = start
        let size = max(1, start.exporters.count * start.collectors.count)
        width = max(1, min(16, 50_000 / size))
        beam = [start]
        widestLimit = start.collectors.map(\.limit).max() ?? 0
    }

    /// One exporter's move, applied to a placement of the beam.
    private struct Candidate {
        let parent: Int
        let exporter: Int
        let receiver: Int
        /// The cost of the placement with this move.
        let cost: Cost
    }

    /// Compared in this order: overload, then pins, then bytes to move.
    private struct Cost: Comparable {
        var overload: Double
        var pins: Int
        var movedBytes: UInt128

        static func < (left: Cost, right: Cost) -> Bool {
            (left.overload, left.pins, left.movedBytes) < (right.overload, right.pins, right.movedBytes)
        }
    }

    private mutating func run() -> Placement {
        var costs = [cost(of: start)]
        /// The best placement so far, once a level is no better.
        var best: (placement: Placement, overload: Double)?
        var levelsWithoutGain = 0
        while costs[0].overload > 0 {
            let candidates = candidates(costs)
            guard let first = candidates.first else { break }
            if first.cost.overload >= best?.overload ?? costs[0].overload {
                levelsWithoutGain += 1
                if width == 1 || levelsWithoutGain > 3 { break }
                if best == nil { best = (beam[0], costs[0].overload) }
            } else {
                best = nil
                levelsWithoutGain = 0
            }
            costs = candidates.map(\.cost)
            if candidates.count == 1, beam.count == 1 {
                // In place: a copy takes long where there are many exporters.
                beam[0].move(first.exporter, to: first.receiver)
            } else {
                beam = candidates.map {
                    var placement = beam[$0.parent]
                    placement.move($0.exporter, to: $0.receiver)
                    return placement
                }
            }
        }
        if let best { return withoutNeedlessPins(best.placement) }
        let reached = zip(beam, costs).prefix { $1.overload == costs[0].overload }.map { withoutNeedlessPins($0.0) }
        return reached.min { cost(of: $0) < cost(of: $1) } ?? start
    }

    /// The next level, best first. Placements of equal cost are taken to be the
    /// same one, reached in another order or with an equal exporter.
    private func candidates(_ costs: [Cost]) -> [Candidate] {
        var all: [Candidate] = []
        for (parent, placement) in beam.enumerated() {
            let overloads = overloads(placement)
            guard let highest = overloads.max(), highest > 0, let giver = overloads.firstIndex(of: highest)
            else { continue }
            for receiver in placement.collectors.indices where receiver != giver {
                for exporter in exporters(of: placement, from: giver, to: receiver) {
                    all.append(
                        Candidate(
                            parent: parent, exporter: exporter, receiver: receiver,
                            cost: cost(of: placement, costs[parent], overloads, moving: exporter, to: receiver)))
                }
            }
        }
        if width == 1 { return all.min { $0.cost < $1.cost }.map { [$0] } ?? [] }
        all.sort { ($0.cost, $0.parent, $1.exporter, $0.receiver) < ($1.cost, $1.parent, $0.exporter, $1.receiver) }
        var level: [Candidate] = []
        for candidate in all where candidate.cost != level.last?.cost {
            level.append(candidate)
            if level.count == width { break }
        }
        return level
    }

    /// The exporters worth a try: those whose bytes are nearest to the giver's excess
    /// and to the receiver's room, the heaviest, and those whose home is the receiver.
    /// An exporter moves once, and a too heavy one that is at the best place stays.
    private func exporters(of placement: Placement, from giver: Int, to receiver: Int) -> [Int] {
        let held = placement.held[giver]
        let heaviest = held.last
        let excess = placement.carried[giver] - allowance(placement, giver, heaviest)
        var chosen = placement.awayExporters[giver].filter { placement.exporters[$0].home == receiver }
        for bytes in [excess, placement.room(at: receiver), placement.total] {
            let middle = placement.firstIndex(in: held, from: bytes)
            chosen.formUnion(held[max(0, middle - 2)..<min(held.count, middle + 2)])
        }
        return chosen.filter {
            placement.place[$0] == start.place[$0] && placement.bytes($0) > 0
                && !($0 == heaviest && isStuck($0, at: giver, of: placement))
        }
    }

    /// True for an exporter that is too heavy for any collector and at one of the widest.
    private func isStuck(_ exporter: Int, at index: Int, of placement: Placement) -> Bool {
        placement.collectors[index].limit == widestLimit && placement.bytes(exporter) > widestLimit
    }

    /// The overload of each collector.
    private func overloads(_ placement: Placement) -> [Double] {
        placement.collectors.indices.map {
            overload(placement, $0, carrying: placement.carried[$0], heaviest: placement.held[$0].last)
        }
    }

    /// What a collector may carry, in bytes: its limit, or 1% more than what no
    /// plan can move to a better place. Otherwise all exporters next to a too
    /// heavy one would get pins.
    private func allowance(_ placement: Placement, _ index: Int, _ heaviest: Int?) -> UInt128 {
        let collector = placement.collectors[index]
        var stuck = collector.fixed
        if let heaviest, isStuck(heaviest, at: index, of: placement) {
            stuck = max(stuck, placement.bytes(heaviest))
        }
        return stuck <= collector.limit ? collector.limit : stuck + stuck / 100
    }

    /// The square of the excess over the allowance, relative to the share, times the
    /// weight: many small excesses are better than a large one.
    private func overload(_ placement: Placement, _ index: Int, carrying bytes: UInt128, heaviest: Int?) -> Double {
        let allowance = allowance(placement, index, heaviest)
        guard bytes > allowance else { return 0 }
        let excess = placement.ratio(of: bytes - allowance, at: index)
        return excess * excess * placement.collectors[index].weight
    }

    private func cost(of placement: Placement) -> Cost {
        Cost(
            overload: overloads(placement).reduce(0, +),
            pins: placement.awayExporters.reduce(0) { $0 + $1.count },
            movedBytes: placement.exporters.indices.reduce(0) {
                placement.place[$1] == start.place[$1] ? $0 : $0 + placement.bytes($1)
            })
    }

    /// The cost after one more move, from the overload of each collector before it.
    private func cost(
        of placement: Placement, _ cost: Cost, _ overloads: [Double], moving exporter: Int, to receiver: Int
    ) -> Cost {
        let giver = placement.place[exporter]
        let bytes = placement.bytes(exporter)
        let held = placement.held[giver]
        let rest = held.last == exporter ? held.dropLast().last : held.last
        let left = overload(placement, giver, carrying: placement.carried[giver] - bytes, heaviest: rest)
        let right = overload(
            placement, receiver, carrying: placement.carried[receiver] + bytes,
            heaviest: max(placement.held[receiver].last ?? exporter, exporter))
        // A sum, not a difference: it is exactly 0 if no collector is overloaded.
        var sum = left + right
        for index in overloads.indices where index != giver && index != receiver { sum += overloads[index] }
        let home = placement.exporters[exporter].home
        return Cost(
            overload: sum, pins: cost.pins + (giver == home ? 1 : 0) - (receiver == home ? 1 : 0),
            movedBytes: cost.movedBytes + bytes)
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
                    placement.carried[home] + placement.bytes(exporter)
                        <= allowance(placement, home, placement.held[home].last)
                else { continue }
                placement.move(exporter, to: home)
                removed = true
            }
        } while removed
        return placement
    }
}
