/// The search for few moves that bring every collector under its limit: greedy,
/// with some luck.
///
/// The most overloaded collector gives: the lightest exporter that alone brings
/// it under the limit, else the heaviest that a receiver has room for. Where none
/// fits anywhere, two collectors exchange. What is over then comes as near as it
/// can, and pins that turn out to be needless are dropped.
///
/// A small pool is searched again with dice, which make other choices among
/// nearly equal ones, and the best plan is taken (Feo and Resende, "Greedy
/// randomized adaptive search procedures", Journal of Global Optimization 6,
/// 1995). The dice are the same on every host.
struct GreedyRebalancer {
    private(set) var placement: Placement
    private let start: Placement
    private let widestLimit: UInt128
    /// Exporters that an earlier plan pinned, at each collector: to move one of
    /// them costs no further pin, and none if it goes home.
    private var awayExporters: [[Int]]
    /// Exchanges and approaches that may still be made: each goes through all
    /// the exporters of a collector.
    private var searchBudget: Int
    private var dice: SeededKeys?

    /// The best placement found; the start, if none is nearer to the bound.
    static func best(from start: Placement) -> Placement {
        var best = GreedyRebalancer(from: start, dice: nil)
        let fewest = best.fewestPins
        let size = max(1, start.exporters.count * start.collectors.count)
        for attempt in 0..<min(200, 400_000 / size) {
            if best.placement.ratiosOverLimit.isEmpty, best.pinCount <= fewest { break }
            let next = GreedyRebalancer(from: start, dice: SeededKeys(seed: "relief \(attempt)"))
            if next.isBetter(than: best) { best = next }
        }
        return best.placement.isNearer(than: start) ? best.placement : start
    }

    private init(from start: Placement, dice: SeededKeys?) {
        placement = start
        self.start = start
        self.dice = dice
        widestLimit = start.collectors.map(\.limit).max() ?? 0
        awayExporters = start.held.map { $0.filter(start.isAway) }
        searchBudget = start.collectors.count
        repeat { relieve() } while approach()
        dropNeedless()
    }

    private var pinCount: Int { placement.exporters.indices.lazy.filter(placement.isAway).count }

    private var movedBytes: UInt128 {
        placement.exporters.indices.reduce(0) {
            placement.place[$1] == start.place[$1] ? $0 : $0 + placement.bytes($1)
        }
    }

    /// Nearer to the bound; then fewer pins, then fewer bytes to move.
    private func isBetter(than other: GreedyRebalancer) -> Bool {
        if placement.isNearer(than: other.placement) { return true }
        if other.placement.isNearer(than: placement) { return false }
        return (pinCount, movedBytes) < (other.pinCount, other.movedBytes)
    }

    /// So many must leave overloaded homes at least, the heaviest of each first.
    private var fewestPins: Int {
        var atHome = start.collectors.map(\.fixed)
        var natives = start.collectors.map { _ in [Int]() }
        for exporter in start.exporters.indices {
            guard let home = start.exporters[exporter].home else { continue }
            atHome[home] += start.bytes(exporter)
            natives[home].append(exporter)
        }
        var count = 0
        for (collector, natives) in natives.enumerated() {
            for exporter in natives.reversed() where atHome[collector] > start.collectors[collector].limit {
                atHome[collector] -= start.bytes(exporter)
                count += 1
            }
        }
        return count
    }

    /// An exporter and where it goes.
    private struct Step {
        let exporter: Int
        let receiver: Int
    }

    private mutating func take(_ step: Step) {
        awayExporters[placement.place[step.exporter]].removeAll { $0 == step.exporter }
        placement.move(step.exporter, to: step.receiver)
    }

    /// 0 without dice.
    private mutating func roll(_ sides: Int) -> Int {
        dice == nil ? 0 : Int(dice!.next() % UInt64(sides))
    }

    /// The exporter itself; with dice also one up to two places from it.
    private mutating func near(_ exporter: Int, in list: [Int], direction: Int) -> Int {
        let distance = roll(4) - 1
        if distance < 1 { return exporter }
        return list[min(max(list.firstIndex(of: exporter)! + direction * distance, 0), list.count - 1)]
    }

    /// What a collector may carry: its limit; or hardly more than what no plan
    /// can spare it, lest all the companions of a too heavy exporter get pins.
    private func allowance(at index: Int) -> UInt128 {
        let collector = placement.collectors[index]
        var stuck = collector.fixed
        if let heaviest = placement.held[index].last.map(placement.bytes), heaviest > widestLimit {
            stuck = max(stuck, heaviest)
        }
        return stuck <= collector.limit ? collector.limit : stuck + stuck / 100
    }

    private mutating func relieve() {
        var stuck = Set<Int>()
        while let giver = mostOverloaded(except: stuck) {
            let excess = placement.carried[giver] - allowance(at: giver)
            if let step = sufficient(from: giver, excess: excess) {
                take(step)
            } else if roll(3) == 1, let (give, back) = exchange(from: giver, excess: excess) {
                take(give)
                take(back)
            } else if let step = heaviest(from: giver) {
                take(step)
            } else if let (give, back) = exchange(from: giver, excess: excess) {
                take(give)
                take(back)
            } else {
                stuck.insert(giver)
            }
        }
    }

    private func mostOverloaded(except stuck: Set<Int>) -> Int? {
        var worst: (collector: Int, ratio: Double)?
        for collector in placement.collectors.indices
        where placement.carried[collector] > placement.collectors[collector].limit
            && placement.carried[collector] > allowance(at: collector) && !stuck.contains(collector)
        {
            let ratio = placement.ratio(at: collector)
            if ratio > worst?.ratio ?? 0 { worst = (collector, ratio) }
        }
        return worst?.collector
    }

    private func roomiest(except giver: Int, _ other: Int? = nil) -> Int? {
        var best: (collector: Int, room: UInt128)?
        for collector in placement.collectors.indices where collector != giver && collector != other {
            let room = placement.room(at: collector)
            if best == nil || room > best!.room { best = (collector, room) }
        }
        return best?.collector
    }

    /// The roomiest; with dice also the one that it fills best, or any that has room.
    private mutating func receiver(of bytes: UInt128, from giver: Int) -> Int? {
        let rule = roll(3)
        if rule == 0 { return roomiest(except: giver).flatMap { placement.room(at: $0) < bytes ? nil : $0 } }
        let able = placement.collectors.indices.filter { $0 != giver && placement.room(at: $0) >= bytes }
        if rule == 1 { return able.min { placement.room(at: $0) < placement.room(at: $1) } }
        return able.isEmpty ? nil : able[roll(able.count)]
    }

    /// The lightest exporter that alone is enough. One that goes home comes
    /// first, enough or not, and then one that has a pin already.
    private mutating func sufficient(from giver: Int, excess: UInt128) -> Step? {
        let homeward = awayExporters[giver].filter {
            let home = placement.exporters[$0].home
            return home != nil && placement.bytes($0) > 0 && placement.bytes($0) <= placement.room(at: home!)
        }
        if let exporter = placement.lightest(of: homeward, from: excess) ?? homeward.last {
            return Step(exporter: exporter, receiver: placement.exporters[exporter].home!)
        }
        for list in [awayExporters[giver], placement.held[giver]] {
            guard let lightest = placement.lightest(of: list, from: excess) else { continue }
            let exporter = near(lightest, in: list, direction: 1)
            if let receiver = receiver(of: placement.bytes(exporter), from: giver) {
                return Step(exporter: exporter, receiver: receiver)
            }
        }
        return nil
    }

    /// The heaviest exporter for which there is room.
    private mutating func heaviest(from giver: Int) -> Step? {
        guard let roomiest = roomiest(except: giver),
            let heaviest = placement.heaviest(of: placement.held[giver], upTo: placement.room(at: roomiest))
        else { return nil }
        let exporter = near(heaviest, in: placement.held[giver], direction: -1)
        if placement.bytes(exporter) == 0 { return nil }
        return receiver(of: placement.bytes(exporter), from: giver).map { Step(exporter: exporter, receiver: $0) }
    }

    /// A heavy exporter to a receiver that has no room for it, and a lighter one
    /// from there to a third collector that has room, or back to the giver: the
    /// pair that takes most of the excess off the giver.
    private mutating func exchange(from giver: Int, excess: UInt128) -> (Step, Step)? {
        guard searchBudget > 0 else { return nil }
        searchBudget -= 1
        var best: (gain: UInt128, steps: (Step, Step))?
        for receiver in placement.collectors.indices where receiver != giver {
            let room = placement.room(at: receiver)
            guard placement.carried[receiver] <= placement.collectors[receiver].limit else { continue }
            let third = roomiest(except: giver, receiver)
            for exporter in placement.held[giver].reversed() where placement.bytes(exporter) > room {
                let bytes = placement.bytes(exporter)
                guard let other = placement.lightest(of: placement.held[receiver], from: bytes - room),
                    placement.bytes(other) < bytes
                else { continue }
                var (gain, back) = (bytes - placement.bytes(other), giver)
                if let third, placement.bytes(other) <= placement.room(at: third) { (gain, back) = (bytes, third) }
                gain = min(gain, excess)
                if gain > best?.gain ?? 0 {
                    best = (gain, (Step(exporter: exporter, receiver: receiver), Step(exporter: other, receiver: back)))
                }
            }
        }
        return best?.steps
    }

    /// One move above the limits, which leaves both collectors more than 1% below
    /// the giver's ratio. False if there is none.
    private mutating func approach() -> Bool {
        guard searchBudget > 0 else { return false }
        searchBudget -= 1
        let givers = placement.collectors.indices
            .filter { placement.carried[$0] > placement.collectors[$0].limit }
            .sorted { placement.ratio(at: $0) > placement.ratio(at: $1) }
        for giver in givers {
            // Of equals the one that burdens the receiver least; none is equal to this.
            var best = (highest: 0.99 * placement.ratio(at: giver), receiver: 0.0)
            var step: Step?
            for exporter in placement.held[giver] {
                let bytes = placement.bytes(exporter)
                let rest = placement.ratio(of: placement.carried[giver] - bytes, at: giver)
                guard rest <= best.highest else { continue }
                for receiver in placement.collectors.indices where receiver != giver {
                    let ratio = placement.ratio(of: placement.carried[receiver] + bytes, at: receiver)
                    if (max(rest, ratio), ratio) < best {
                        best = (max(rest, ratio), ratio)
                        step = Step(exporter: exporter, receiver: receiver)
                    }
                }
            }
            if let step {
                take(step)
                return true
            }
        }
        return false
    }

    /// Sends home whom home has room for: new pins before old ones, whose
    /// exporters would move for it, and light ones first. To drop one may make
    /// room for the next.
    private mutating func dropNeedless() {
        let pinned = placement.exporters.indices.filter(placement.isAway)
        let new = pinned.filter { !start.isAway($0) }
        let old = pinned.filter(start.isAway)
        var dropped: Bool
        repeat {
            dropped = false
            for exporter in new + old where placement.isAway(exporter) {
                guard let home = placement.exporters[exporter].home,
                    placement.carried[home] + placement.bytes(exporter) <= allowance(at: home)
                else { continue }
                placement.move(exporter, to: home)
                dropped = true
            }
        } while dropped
    }
}
