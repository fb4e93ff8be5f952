import PoolReport

/// The tables of `status --watch`: rates for each second.
extension PoolTables {
    /// - Parameters:
    ///   - isSummed: whether a collector has one row, instead of one for each group.
    ///   - trends: each collector's last rates of runs, in chronological order.
    func liveCollectors(isSummed: Bool, trends: [String: [Double]]) -> Columns {
        typealias Cell = Columns.Cell
        let rows = rows(isSummed: isSummed)
        let busiest = status.collectors.map { rates?.total(of: $0.name)?.runs ?? 0 }.max() ?? 0
        let highest = trends.values.joined().max() ?? 0
        let columns: [Columns.Column] = [
            .init("COLLECTOR", of: rows, least: 6, rank: 100) { $0.head { Cell($0.name) } },
            .init("STATE", of: rows, steady: 10, rank: 90) { $0.head { Cell(stateOf: $0, hasMark: hasMarks) } },
            .init("SHARE", of: rows, isFlushRight: true, rank: 30) { $0.head { Cell(Self.percent($0.share)) } },
            .init("GROUP", of: rows, least: 5, rank: 80) { Cell($0.groups.first ?? "") },
            .init("RUNS/S", of: rows, steady: 6, isFlushRight: true, rank: 95) { Cell(rate: rates?.of($0)?.runs) },
            .init("BYTES/S", of: rows, isFlushRight: true, rank: 60) { Cell(rate: rates?.of($0)?.bytes) },
            .init("QUEUED", of: rows, steady: 7, isFlushRight: true, rank: 50, \.queue),
            .init("DROPS", of: rows, isFlushRight: true, rank: 40) { Cell(number: $0.sum(\.drops), .warning) },
            .init("DROPS/S", of: rows, isFlushRight: true, rank: 70) { Cell(rate: rates?.of($0)?.drops, .bad) },
            .init("LOAD", of: rows, steady: 10, rank: 45) {
                $0.head { Cell(Figure.bar(rates?.total(of: $0.name)?.runs ?? 0, of: busiest, width: 10), .busy) }
            },
            .init("TREND", of: rows, steady: 24, rank: 20) {
                $0.head { Cell(Figure.trend(trends[$0.name] ?? [], of: highest), .busy) }
            },
        ]
        return Columns(columns: columns.filter { !isSummed || $0.title != "GROUP" })
    }

    var liveGroups: Columns {
        func column(
            _ title: String, short: String? = nil, rank: Int, isLoss: Bool = false,
            _ rate: (PoolRates.Group) -> Double
        ) -> Columns.Column {
            .init(title, short: short, of: status.groups, steady: 6, isFlushRight: true, rank: rank) {
                Columns.Cell(rate: rates?.groups[$0.name].map(rate), isLoss ? .warning : .plain)
            }
        }
        return Columns(
            columns: groupColumns + [
                column("SELECTED/S", short: "SEL/S", rank: 80, \.selected),
                column("FAILED OVER/S", short: "FAIL/S", rank: 50, \.failedOver),
                column("HELD/S", rank: 60, isLoss: true, \.held),
                column("LOST/S", rank: 70, isLoss: true, \.lost),
                .init("HELD+LOST", of: status.groups, isFlushRight: true, rank: 30) {
                    let outcomes = $0.outcomes
                    return Columns.Cell(
                        number: outcomes.held &+ outcomes.noCollector &+ outcomes.badPacket, .warning)
                },
            ])
    }
}
