import PoolReport

/// The rates for each second between two answers of an agent.
struct PoolRates: Equatable, Sendable {
    struct Member: Equatable, Sendable {
        var runs = 0.0
        var bytes = 0.0
        var drops = 0.0

        static func + (one: Member, other: Member) -> Member {
            Member(runs: one.runs + other.runs, bytes: one.bytes + other.bytes, drops: one.drops + other.drops)
        }
    }

    struct Group: Equatable, Sendable {
        var selected = 0.0
        var failedOver = 0.0
        var held = 0.0
        /// No collector was usable, or the packet was bad.
        var lost = 0.0
    }

    /// The rates by the names of collector and group, for those that both answers have. A counter that went
    /// back has started again from 0.
    private(set) var members: [String: [String: Member]] = [:]
    private(set) var groups: [String: Group] = [:]

    /// - Parameter seconds: the time between the answers, above 0.
    init(from old: PoolStatus, to new: PoolStatus, seconds: Double) {
        func rate(_ old: UInt64, _ new: UInt64) -> Double { Double(new >= old ? new - old : new) / seconds }
        let former = Dictionary(old.collectors.map { ($0.name, $0.groups) }) { first, _ in first }
        for collector in new.collectors {
            for (name, now) in collector.groups {
                guard let before = former[collector.name]?[name] else { continue }
                members[collector.name, default: [:]][name] = Member(
                    runs: rate(before.runs, now.runs), bytes: rate(before.bytes, now.bytes),
                    drops: rate(before.drops, now.drops))
            }
        }
        let formerGroups = Dictionary(old.groups.map { ($0.name, $0.outcomes) }) { first, _ in first }
        for group in new.groups {
            guard let before = formerGroups[group.name] else { continue }
            let now = group.outcomes
            groups[group.name] = Group(
                selected: rate(before.selected, now.selected), failedOver: rate(before.failedOver, now.failedOver),
                held: rate(before.held, now.held),
                lost: rate(before.noCollector, now.noCollector) + rate(before.badPacket, now.badPacket))
        }
    }

    /// The rates of the row's collector in the row's groups; nil if they aren't known yet.
    func of(_ row: PoolTables.Row) -> Member? {
        let rates = row.groups.compactMap { members[row.collector.name]?[$0] }
        return rates.isEmpty ? nil : rates.reduce(Member(), +)
    }

    /// The collector's rates over all groups; nil if they aren't known yet.
    func total(of collector: String) -> Member? { members[collector]?.values.reduce(Member(), +) }

    /// The rates of all collectors together.
    var total: Member { members.values.flatMap(\.values).reduce(Member(), +) }

    /// The collector with the most runs for its weight, and the ratio to its share; nil if nothing runs.
    func busiest(of collectors: [PoolStatus.Collector]) -> (name: String, ratio: Double)? {
        let weights = collectors.reduce(0) { $0 + $1.weight }
        let all = total.runs
        guard weights > 0, all > 0 else { return nil }
        return collectors.filter { $0.weight > 0 }.map { collector in
            (
                collector.name,
                (total(of: collector.name)?.runs ?? 0) / (all * Double(collector.weight) / Double(weights))
            )
        }.max { $0.1 < $1.1 }
    }
}
