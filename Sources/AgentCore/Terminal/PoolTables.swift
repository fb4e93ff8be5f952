import PoolReport

/// The tables of a pool, with totals or current rates.
struct PoolTables {
    let status: PoolStatus
    let rates: PoolRates?
    let hasMarks: Bool

    init(_ status: PoolStatus, rates: PoolRates?, hasMarks: Bool) {
        self.status = status
        self.rates = rates
        self.hasMarks = hasMarks
    }

    /// `pool edge, rendezvous, 65536 rows`
    func title(width: Int) -> Line {
        let rest = ", \(status.assignment), \(status.tableSize) rows"
        let name = ShortText.middle(status.pool, to: max(8, width - 5 - rest.count))
        return Line([Piece("pool "), Piece(name, .strong), Piece(rest)]).clipped(to: width)
    }

    /// A row for each collector and group. Up to a width of 80, the columns don't depend on the numbers.
    func collectors(width: Int) -> Columns {
        typealias Cell = Columns.Cell
        var (names, slots, states, shares, pids): ([Cell], [Cell], [Cell], [Cell], [Cell]) = ([], [], [], [], [])
        var (groups, runs, bytes, queues, drops): ([Cell], [Cell], [Cell], [Cell], [Cell]) = ([], [], [], [], [])
        for collector in status.collectors {
            for (index, name) in status.groups.map(\.name).filter({ collector.groups[$0] != nil }).enumerated() {
                guard let group = collector.groups[name] else { continue }
                let isFirst = index == 0
                names.append(Cell(isFirst ? collector.name : ""))
                slots.append(Cell(isFirst ? "\(collector.slot)" : ""))
                states.append(isFirst ? StateCell.cell(of: collector, hasMark: hasMarks) : Cell(""))
                shares.append(Cell(isFirst ? Self.percent(collector.share) : ""))
                pids.append(Cell(isFirst ? collector.pid.map { "\($0)" } ?? "-" : ""))
                groups.append(Cell(name))
                runs.append(Cell(number: group.runs))
                bytes.append(Cell(number: group.bytes))
                queues.append(Self.queue(group))
                drops.append(Cell(number: group.drops, group.drops > 0 ? .warning : .plain))
            }
        }
        let columns: [Columns.Column] = [
            .init(title: "COLLECTOR", cells: names, least: 9, rank: 100),
            .init(title: "SLOT", cells: slots, isFlushRight: true, rank: 2),
            .init(title: "STATE", cells: states, rank: 90),
            .init(title: "SHARE", cells: shares, isFlushRight: true, rank: 30),
            .init(title: "PID", cells: pids, isFlushRight: true, rank: 10),
            .init(title: "GROUP", cells: groups, least: 5, rank: 80),
            .init(title: "RUNS", cells: runs, isFlushRight: true, rank: 70),
            .init(title: "BYTES", cells: bytes, isFlushRight: true, rank: 1),
            .init(title: "QUEUED", cells: queues, isFlushRight: true, rank: 40),
            .init(title: "DROPS", cells: drops, isFlushRight: true, rank: 60),
        ]
        return Columns(columns: columns.filter { width > 80 || $0.title != "BYTES" })
    }

    var groups: Columns {
        typealias Cell = Columns.Cell
        let groups = status.groups
        func numbers(_ value: (PoolStatus.Outcomes) -> UInt64, isLoss: Bool = false) -> [Cell] {
            groups.map {
                let number = value($0.outcomes)
                return Cell(number: number, isLoss && number > 0 ? .warning : .plain)
            }
        }
        return Columns(columns: [
            .init(title: "GROUP", cells: groups.map { Cell($0.name) }, least: 5, rank: 100),
            .init(title: "ENDPOINT", cells: groups.map { Cell(Self.endpoint($0)) }, least: 12, rank: 20),
            .init(title: "ATTACHED", cells: groups.map(Self.attached), rank: 90),
            .init(title: "SELECTED", cells: numbers(\.selected), isFlushRight: true, rank: 60),
            .init(
                title: "FAILED OVER", shortTitle: "FAILED", cells: numbers(\.failedOver), isFlushRight: true, rank: 50),
            .init(title: "HELD", cells: numbers(\.held, isLoss: true), isFlushRight: true, rank: 70),
            .init(
                title: "LOST", cells: numbers({ $0.noCollector &+ $0.badPacket }, isLoss: true), isFlushRight: true,
                rank: 80),
        ])
    }

    /// The state of tracking: how many exporters, and what was lost.
    func tracking(width: Int) -> [Line] {
        guard let tracking = status.tracking else { return [] }
        guard tracking.size > 0 else {
            return [Line("exporters: not tracked, tracking is off in the configuration").clipped(to: width)]
        }
        var text = "exporters: \(tracking.tracked) tracked, of at most \(tracking.size)"
        if let active = tracking.active { text += "; \(active) sent within \(Self.seconds(tracking.interval))" }
        var lines = [Line(text).clipped(to: width)]
        if tracking.interval > tracking.configuredInterval {
            lines.append(
                Line(
                    "  reported every \(Self.seconds(tracking.interval)), not \(Self.seconds(tracking.configuredInterval)): more exporters than tracking has room for",
                    .warning))
        }
        let losses = [
            (tracking.untracked.runs, "runs of untracked exporters"), (tracking.untracked.bytes, "bytes of them"),
            (tracking.evicted, "evicted"), (tracking.eventsLost, "events lost"),
        ].filter { $0.0 > 0 }.map { "\(ShortText.number($0.0)) \($0.1)" }
        if !losses.isEmpty { lines.append(Line("  " + losses.joined(separator: ", "), .warning)) }
        return lines.map { $0.clipped(to: width) }
    }

    static func queue(_ group: PoolStatus.Membership) -> Columns.Cell {
        let isTCP = group.queuedConnections != nil
        let number = group.queuedConnections ?? group.queuedBytes
        let unit = isTCP ? "conn" : "B"
        return Columns.Cell("\(number) \(unit)", short: "\(ShortText.number(number)) \(unit)")
    }

    static func endpoint(_ group: PoolStatus.Group) -> String {
        let address = group.address.contains(":") ? "[\(group.address)]" : group.address
        return "\(group.protocol) \(address):\(group.port)"
    }

    static func attached(_ group: PoolStatus.Group) -> Columns.Cell {
        group.attached ? Columns.Cell("yes", .good) : Columns.Cell("no", .bad)
    }

    static func percent(_ share: Double) -> String {
        guard share.isFinite else { return "-" }
        let tenths = Int((min(max(share, 0), 1) * 1_000).rounded())
        return "\(tenths / 10).\(tenths % 10)%"
    }

    private static func seconds(_ seconds: Double) -> String {
        "\(Figure.tenths(seconds))".replacing(".0", with: "") + " s"
    }
}
