import PoolReport

/// A plan of moves as text, within 80 columns.
package struct MoveReport {
    package let text: String

    private static let exportersShown = 20

    /// - Parameter isDone: whether the moves have happened.
    package init(_ plan: MovePlan, isDone: Bool) {
        let verb = isDone ? "moved" : "would move"
        let share = Figure.percent(Double(plan.rows.moved) / Double(max(1, plan.rows.total)))
        let rows =
            if plan.rows.total == 0 {
                "no exporter belongs to a collector, so none moves"
            } else if plan.rows.isExact {
                "\(plan.rows.moved) of \(plan.rows.total) table rows \(verb) (\(share))"
            } else {
                "about \(share) of all exporters \(verb) (estimated: the tables differ in kind, size or seed)"
            }
        var lines = [
            "pool \(plan.pool): \(rows)",
            "\(plan.exporters.count) of \(plan.exportersSeen) addresses seen so far \(verb)",
        ]
        lines += plan.notes
        lines += table(["FROM", "TO", "ROWS", "SHARE", "ADDRESSES SEEN"], of: plan.moves, numeric: [2, 3, 4]) {
            [$0.from, $0.to, "\($0.rows)", Figure.percent($0.share), "\($0.exportersSeen)"]
        }
        let widest = plan.balance.map { max($0.share.before, $0.share.after) }.max() ?? 1
        lines += table(["BALANCE", "WEIGHT", "BEFORE", "", "AFTER", ""], of: plan.balance, numeric: [1, 2, 4]) {
            [
                $0.collector, "\($0.weight.after > 0 ? $0.weight.after : $0.weight.before)",
                Figure.percent($0.share.before), Figure.bar($0.share.before, of: widest),
                Figure.percent($0.share.after), Figure.bar($0.share.after, of: widest),
            ]
        }
        if plan.exportersSeen > 0 {
            lines += [
                "",
                "load measured, max/mean: \(Figure.hundredths(plan.maxOverMean.before)) before, "
                    + "\(Figure.hundredths(plan.maxOverMean.after)) after",
            ]
        }
        let shown = plan.exporters.prefix(Self.exportersShown)
        lines += table(["EXPORTER", "FROM", "TO", "BYTES"], of: Array(shown), numeric: [3]) {
            let name = $0.exporter == $0.address ? $0.address : "\($0.address) (\($0.exporter))"
            return [name, $0.from, $0.to, "\($0.bytes)"]
        }
        if plan.exporters.count > shown.count {
            lines.append("… and \(plan.exporters.count - shown.count) more: --json lists all")
        }
        text = lines.joined(separator: "\n")
    }
}

/// A plan of pins as text.
package struct RebalanceReport {
    package let text: String

    package init(_ plan: RebalancePlan, isApplied: Bool) {
        var lines = [
            "pool \(plan.pool): load max/mean \(Figure.hundredths(plan.maxOverMean.before)), "
                + "\(Figure.hundredths(plan.maxOverMean.after)) after \(plan.moved.count) of \(plan.exportersSeen) "
                + "exporters moved (bound \(Figure.hundredths(plan.bound)))"
        ]
        if !plan.isReached {
            lines.append("the bound can't be reached: an exporter is too heavy, or there are too few exporters")
        }
        if plan.untrackedBytes > 0 {
            lines.append("not included: \(plan.untrackedBytes) bytes of addresses that tracking had no room for")
        }
        let widest = Double(plan.balance.map { max($0.bytes.before, $0.bytes.after) }.max() ?? 1)
        lines += table(["LOAD", "WEIGHT", "BYTES BEFORE", "", "AFTER", ""], of: plan.balance, numeric: [1, 2, 4]) {
            [
                $0.collector, "\($0.weight)", "\($0.bytes.before)", Figure.bar(Double($0.bytes.before), of: widest),
                "\($0.bytes.after)", Figure.bar(Double($0.bytes.after), of: widest),
            ]
        }
        lines += table(["EXPORTER", "FROM", "TO", "BYTES"], of: plan.moved, numeric: [3]) {
            [$0.exporter, $0.from, $0.to, "\($0.bytes)"]
        }
        if isApplied {
            lines += ["", "applied; pins in force: \(plan.pins.count)"]
        } else if !plan.moved.isEmpty {
            lines += ["", "to put them in force, run it again with --apply"]
        }
        text = lines.joined(separator: "\n")
    }
}

/// A table after an empty line; nothing without rows.
private func table<Row>(
    _ titles: [String], of rows: [Row], numeric: Set<Int>, _ cells: (Row) -> [String]
) -> [String] {
    rows.isEmpty ? [] : [""] + Table.lines([titles] + rows.map(cells), numeric: numeric)
}
