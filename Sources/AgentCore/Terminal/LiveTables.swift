import PoolReport

/// The tables of `status --watch`: rates for each second.
extension PoolTables {
    /// - Parameters:
    ///   - isSummed: whether a collector has one row, instead of one for each group.
    ///   - trends: each collector's last rates of runs, in chronological order.
    func liveCollectors(isSummed: Bool, trends: [String: [Double]]) -> Columns {
        var rows: [LiveRow] = []
        let busiest = status.collectors.map { rates?.total(of: $0.name)?.runs ?? 0 }.max() ?? 0
        let highest = trends.values.joined().max() ?? 0
        for collector in status.collectors {
            let load = rates?.total(of: collector.name).map { Self.bar($0.runs, of: busiest, width: 10) } ?? ""
            let trend = Sparkline.text(trends[collector.name] ?? [], most: highest)
            let head = LiveRow(
                name: collector.name, state: StateCell.cell(of: collector, hasMark: hasMarks),
                share: Self.percent(collector.share), load: load, trend: trend)
            if isSummed {
                var row = head
                row.count(status.groups.compactMap { collector.groups[$0.name] }, rates?.total(of: collector.name))
                rows.append(row)
                continue
            }
            for (index, group) in status.groups.filter({ collector.groups[$0.name] != nil }).enumerated() {
                var row = index == 0 ? head : LiveRow()
                row.group = group.name
                row.count([collector.groups[group.name]!], rates?.members[collector.name]?[group.name])
                rows.append(row)
            }
        }
        var columns = LiveRow.columns(rows)
        if isSummed { columns.removeAll { $0.title == "GROUP" } }
        return Columns(columns: columns)
    }

    var liveGroups: Columns {
        typealias Cell = Columns.Cell
        let groups = status.groups
        func column(
            _ title: String, short: String? = nil, rank: Int, isLoss: Bool = false, _ value: (PoolRates.Group) -> Double
        ) -> Columns.Column {
            let cells = groups.map { group in
                guard let rate = rates?.groups[group.name].map(value) else { return Cell("–", .faint) }
                return Cell(ShortText.rate(rate), isLoss && rate > 0 ? .warning : .plain)
            }
            return .init(title: title, shortTitle: short, cells: cells, steady: 6, isFlushRight: true, rank: rank)
        }
        let dropped = groups.map { group in
            let outcomes = group.outcomes
            let number = outcomes.held &+ outcomes.noCollector &+ outcomes.badPacket
            return Cell(number: number, number > 0 ? .warning : .plain)
        }
        return Columns(columns: [
            .init(title: "GROUP", cells: groups.map { Cell($0.name) }, least: 5, rank: 100),
            .init(title: "ENDPOINT", cells: groups.map { Cell(Self.endpoint($0)) }, least: 12, rank: 20),
            .init(title: "ATTACHED", cells: groups.map(Self.attached), rank: 90),
            column("SELECTED/S", short: "SEL/S", rank: 80) { $0.selected },
            column("FAILED OVER/S", short: "FAIL/S", rank: 50) { $0.failedOver },
            column("HELD/S", rank: 60, isLoss: true) { $0.held },
            column("LOST/S", rank: 70, isLoss: true) { $0.lost },
            .init(title: "HELD+LOST", cells: dropped, isFlushRight: true, rank: 30),
        ])
    }

    /// A bar of blocks, in steps of an eighth of a block.
    static func bar(_ value: Double, of most: Double, width: Int) -> String {
        guard most > 0, value > 0 else { return "" }
        let eighths = max(1, Int((value / most * Double(width * 8)).rounded()))
        return String(repeating: "█", count: eighths / 8) + ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8]
    }
}

/// One row of the live table of collectors.
private struct LiveRow {
    typealias Cell = Columns.Cell
    var name = ""
    var state = Cell("")
    var share = ""
    var load = ""
    var trend = ""
    var group = ""
    var runs = Cell("")
    var bytes = Cell("")
    var queue = Cell("")
    var dropRate = Cell("")
    var drops = Cell("")

    mutating func count(_ memberships: [PoolStatus.Membership], _ rate: PoolRates.Member?) {
        runs = rate.map { Cell(ShortText.rate($0.runs)) } ?? Cell("–", .faint)
        bytes = rate.map { Cell(ShortText.rate($0.bytes)) } ?? Cell("–", .faint)
        dropRate = rate.map { Cell(ShortText.rate($0.drops), $0.drops > 0 ? .bad : .plain) } ?? Cell("–", .faint)
        let dropped = memberships.reduce(UInt64(0)) { $0 &+ $1.drops }
        drops = Cell(number: dropped, dropped > 0 ? .warning : .plain)
        let cells = memberships.filter { memberships.count == 1 || $0.queuedBytes + ($0.queuedConnections ?? 0) > 0 }
            .map(PoolTables.queue)
        queue = cells.count == 1 ? cells[0] : Cell(cells.isEmpty ? "0" : cells.map(\.short).joined(separator: " "))
    }

    static func columns(_ rows: [LiveRow]) -> [Columns.Column] {
        [
            .init(title: "COLLECTOR", cells: rows.map { Cell($0.name) }, least: 6, rank: 100),
            .init(title: "STATE", cells: rows.map(\.state), steady: 10, rank: 90),
            .init(title: "SHARE", cells: rows.map { Cell($0.share) }, isFlushRight: true, rank: 30),
            .init(title: "GROUP", cells: rows.map { Cell($0.group) }, least: 5, rank: 80),
            .init(title: "RUNS/S", cells: rows.map(\.runs), steady: 6, isFlushRight: true, rank: 95),
            .init(title: "BYTES/S", cells: rows.map(\.bytes), isFlushRight: true, rank: 60),
            .init(title: "QUEUED", cells: rows.map(\.queue), steady: 7, isFlushRight: true, rank: 50),
            .init(title: "DROPS", cells: rows.map(\.drops), isFlushRight: true, rank: 40),
            .init(title: "DROPS/S", cells: rows.map(\.dropRate), isFlushRight: true, rank: 70),
            .init(title: "LOAD", cells: rows.map { Cell($0.load, .busy) }, steady: 10, rank: 45),
            .init(title: "TREND", cells: rows.map { Cell($0.trend, .busy) }, steady: 24, rank: 20),
        ]
    }
}

/// Values over time, one character for each.
enum Sparkline {
    static let length = 24

    static func text(_ values: [Double], most: Double) -> String {
        let steps: [Character] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
        return String(
            values.suffix(length).map { value in
                guard most > 0, value > 0 else { return " " }
                return steps[min(7, Int(value / most * 7.999))]
            })
    }
}
