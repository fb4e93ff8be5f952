import PoolReport

/// The tables of a pool, with totals or current rates.
struct PoolTables {
    let status: PoolStatus
    var rates: PoolRates?
    let hasMarks: Bool

    /// `pool edge, rendezvous, 65536 rows`
    func title(width: Int) -> Line {
        let rest = ", \(status.assignment), \(status.tableSize) rows"
        let name = ShortText.middle(status.pool, to: max(8, width - 5 - rest.count))
        return Line([Piece("pool "), Piece(name, .strong), Piece(rest)]).clipped(to: width)
    }

    /// One row of a table of collectors: a collector in one group, or in all of its groups.
    struct Row {
        let collector: PoolStatus.Collector
        let groups: [String]
        /// The first row of a collector shows what concerns the collector as a whole.
        let isFirst: Bool

        private var memberships: [PoolStatus.Membership] { groups.compactMap { collector.groups[$0] } }

        func head(_ cell: (PoolStatus.Collector) -> Columns.Cell) -> Columns.Cell {
            isFirst ? cell(collector) : Columns.Cell("")
        }

        func sum(_ count: (PoolStatus.Membership) -> UInt64) -> UInt64 { memberships.reduce(0) { $0 &+ count($1) } }

        /// What is queued; of several groups, only those that have something queued.
        var queue: Columns.Cell {
            let cells = memberships.filter { groups.count == 1 || $0.queuedBytes + ($0.queuedConnections ?? 0) > 0 }
                .map { group in
                    let number = group.queuedConnections ?? group.queuedBytes
                    let unit = group.queuedConnections != nil ? "conn" : "B"
                    return Columns.Cell("\(number) \(unit)", short: "\(ShortText.number(number)) \(unit)")
                }
            if cells.count == 1 { return cells[0] }
            return Columns.Cell(cells.isEmpty ? "0" : cells.map(\.short).joined(separator: " "))
        }
    }

    /// - Parameter isSummed: whether a collector has one row, instead of one for each group.
    func rows(isSummed: Bool) -> [Row] {
        status.collectors.flatMap { collector in
            let names = status.groups.map(\.name).filter { collector.groups[$0] != nil }
            if isSummed { return [Row(collector: collector, groups: names, isFirst: true)] }
            return names.enumerated().map { Row(collector: collector, groups: [$0.element], isFirst: $0.offset == 0) }
        }
    }

    /// A row for each collector and group. Up to a width of 80, the columns don't depend on the numbers.
    func collectors(width: Int) -> Columns {
        typealias Cell = Columns.Cell
        let rows = rows(isSummed: false)
        let columns: [Columns.Column] = [
            .init("COLLECTOR", of: rows, least: 9, rank: 100) { $0.head { Cell($0.name) } },
            .init("SLOT", of: rows, isFlushRight: true, rank: 2) { $0.head { Cell("\($0.slot)") } },
            .init("STATE", of: rows, rank: 90) { $0.head { Cell(stateOf: $0, hasMark: hasMarks) } },
            .init("SHARE", of: rows, isFlushRight: true, rank: 30) { $0.head { Cell(Self.percent($0.share)) } },
            .init("PID", of: rows, isFlushRight: true, rank: 10) { $0.head { Cell($0.pid.map(String.init) ?? "-") } },
            .init("GROUP", of: rows, least: 5, rank: 80) { Cell($0.groups[0]) },
            .init("RUNS", of: rows, isFlushRight: true, rank: 70) { Cell(number: $0.sum(\.runs)) },
            .init("BYTES", of: rows, isFlushRight: true, rank: 1) { Cell(number: $0.sum(\.bytes)) },
            .init("QUEUED", of: rows, isFlushRight: true, rank: 40, \.queue),
            .init("DROPS", of: rows, isFlushRight: true, rank: 60) { Cell(number: $0.sum(\.drops), .warning) },
        ]
        return Columns(columns: columns.filter { width > 80 || $0.title != "BYTES" })
    }

    var groups: Columns {
        func column(
            _ title: String, short: String? = nil, rank: Int, isLoss: Bool = false,
            _ count: (PoolStatus.Outcomes) -> UInt64
        ) -> Columns.Column {
            .init(title, short: short, of: status.groups, isFlushRight: true, rank: rank) {
                Columns.Cell(number: count($0.outcomes), isLoss ? .warning : .plain)
            }
        }
        return Columns(
            columns: groupColumns + [
                column("SELECTED", rank: 60, \.selected),
                column("FAILED OVER", short: "FAILED", rank: 50, \.failedOver),
                column("HELD", rank: 70, isLoss: true, \.held),
                column("LOST", rank: 80, isLoss: true) { $0.noCollector &+ $0.badPacket },
            ])
    }

    /// The columns that a table of groups has with and without rates.
    var groupColumns: [Columns.Column] {
        [
            .init("GROUP", of: status.groups, least: 5, rank: 100) { Columns.Cell($0.name) },
            .init("ENDPOINT", of: status.groups, least: 12, rank: 20) {
                let bound = $0.address + ($0.interface.map { "%\($0)" } ?? "")
                let address = $0.address.contains(":") ? "[\(bound)]" : bound
                return Columns.Cell("\($0.protocol) \(address):\($0.port)")
            },
            .init("ATTACHED", of: status.groups, rank: 90) {
                $0.attached ? Columns.Cell("yes", .good) : Columns.Cell("no", .bad)
            },
        ]
    }

    /// The state of tracking: how many exporters, and what was lost.
    func tracking(width: Int) -> [Line] {
        guard let tracking = status.tracking else { return [] }
        guard tracking.size > 0 else {
            return [Line("exporters: not tracked, tracking is off in the configuration").clipped(to: width)]
        }
        var text = "exporters: \(tracking.tracked) tracked, of at most \(tracking.size)"
        if let active = tracking.active { text += "; \(active) sent within \(Figure.seconds(tracking.interval))" }
        var lines = [Line(text).clipped(to: width)]
        if tracking.interval > tracking.configuredInterval {
            lines.append(
                Line(
                    "  reported every \(Figure.seconds(tracking.interval)), not \(Figure.seconds(tracking.configuredInterval)): more exporters than tracking has room for",
                    .warning))
        }
        let losses = [
            (tracking.untracked.runs, "runs of untracked exporters"), (tracking.untracked.bytes, "bytes of them"),
            (tracking.evicted, "evicted"), (tracking.eventsLost, "events lost"),
        ].filter { $0.0 > 0 }.map { "\(ShortText.number($0.0)) \($0.1)" }
        if !losses.isEmpty { lines.append(Line("  " + losses.joined(separator: ", "), .warning)) }
        return lines.map { $0.clipped(to: width) }
    }

    static func percent(_ share: Double) -> String {
        guard share.isFinite else { return "-" }
        let tenths = Int((min(max(share, 0), 1) * 1_000).rounded())
        return "\(tenths / 10).\(tenths % 10)%"
    }
}

extension Columns.Cell {
    /// A collector's state, with a mark and a color.
    init(stateOf collector: PoolStatus.Collector, hasMark: Bool) {
        let drainsToo = collector.drain != nil && collector.state != "draining"
        let name = collector.state + (drainsToo ? ", draining" : "")
        guard hasMark else {
            self.init(name, short: collector.state + (drainsToo ? "+d" : ""))
            return
        }
        let (mark, style): (String, Style) =
            switch collector.state {
            case "active": ("●", .good)
            case "holding": ("◐", .warning)
            case "failed": ("✗", .bad)
            case "draining": ("▽", .busy)
            case "unverified": ("?", .warning)
            case "queueing": ("◔", .warning)
            case "stalled": ("‖", .bad)
            default: ("○", .faint)
            }
        let held = collector.state == "holding" ? collector.holdLeft.map { " \(Int($0.rounded(.up))) s" } : nil
        self.init("\(mark) \(name)\(drainsToo ? "" : held ?? "")", short: "\(mark) \(collector.state)", style)
    }
}
