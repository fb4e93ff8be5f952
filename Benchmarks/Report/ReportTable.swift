import Foundation

/// How a part's results are shown.
struct ReportTable {
    let title: String
    var text = ""
    let shape: Shape

    enum Shape {
        /// One table for each workload, with a row for each subject and a column for each cell.
        case bySubject([Cell])
        /// A row for each workload, a column for each subject.
        case byWorkload(Cell, subjects: [String])
        /// Growth of the medians when the number at the end of the workloads' names doubles: a row for
        /// each name without its number, a column for each subject.
        case slopes(Cell, over: [String], subjects: [String])
    }

    /// The table shows the workloads whose names begin with this text.
    var workloads = ""

    func markdown(_ results: Results) -> String {
        let all = results.workloads.filter { $0.hasPrefix(workloads) }
        var lines = ["### \(title)", ""]
        if !text.isEmpty { lines += [text, ""] }
        switch shape {
        case .bySubject(let cells):
            for workload in all {
                let subjects = results.subjects(under: workload)
                let shown = cells.filter { cell in subjects.contains { cell.text(results, $0, workload) != nil } }
                if all.count > 1 || workload != title { lines += ["**\(workload)**", ""] }
                lines += Self.table(
                    [""] + shown.map(\.heading),
                    subjects.map { subject in
                        [subject] + shown.map { $0.text(results, subject, workload) ?? "" }
                    })
            }
        case .byWorkload(let cell, let subjects):
            let rows = all.map { workload in [workload] + subjects.map { cell.text(results, $0, workload) ?? "" } }
            lines += Self.table([cell.heading] + subjects, rows.filter { $0.dropFirst().contains { !$0.isEmpty } })
        case .slopes(let cell, let beginnings, let subjects):
            let rows = beginnings.map { beginning in
                [beginning] + subjects.map { Self.slope(results, cell, beginning, $0) }
            }
            lines += Self.table([cell.heading] + subjects, rows)
        }
        return lines.joined(separator: "\n")
    }

    /// The slope, by least squares.
    private static func slope(_ results: Results, _ cell: Cell, _ beginning: String, _ subject: String) -> String {
        let points: [(x: Double, y: Double)] = results.workloads.filter { $0.hasPrefix(beginning) }.compactMap {
            let values = cell.values(results, subject, $0)
            guard !values.isEmpty, let number = $0.split(separator: " ").last.flatMap({ Double($0) }) else {
                return nil
            }
            return (log2(number), Spread(values).median)
        }
        let count = Double(points.count)
        let (x, y) = (points.reduce(0) { $0 + $1.x } / count, points.reduce(0) { $0 + $1.y } / count)
        let spread = points.reduce(0) { $0 + ($1.x - x) * ($1.x - x) }
        guard spread > 0 else { return "" }
        return Spread.digits(points.reduce(0) { $0 + ($1.x - x) * ($1.y - y) } / spread)
    }

    private static func table(_ heading: [String], _ rows: [[String]]) -> [String] {
        func line(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |" }
        let rule = ["---"] + heading.dropFirst().map { _ in "---:" }
        return [line(heading), line(rule)] + rows.map(line) + [""]
    }
}

/// One figure: the median, with the minimum and the maximum of all rounds.
enum Cell {
    case value(Figure)
    /// The ratio to the reference's figure of the same round.
    case ratio(Figure, to: String)
    /// The difference from the reference's figure of the same round.
    case beyond(Figure, of: String)

    var heading: String {
        switch self {
        case .value(let figure): figure.rawValue
        case .ratio(let figure, let reference):
            "\(figure.rawValue.split(separator: ",")[0]), x \(reference)"
        case .beyond(let figure, let reference): "\(figure.rawValue) over \(reference)"
        }
    }

    /// One value for each round.
    func values(_ results: Results, _ subject: String, _ workload: String) -> [Double] {
        switch self {
        case .value(let figure): results.values(figure, of: subject, under: workload)
        case .ratio(let figure, let reference):
            results.ratios(figure, of: subject, to: reference, under: workload)
        case .beyond(let figure, let reference):
            results.differences(figure, of: subject, from: reference, under: workload)
        }
    }

    func text(_ results: Results, _ subject: String, _ workload: String) -> String? {
        let values = values(results, subject, workload)
        if values.isEmpty { return nil }
        return Spread(values).text { if case .ratio = self { Spread.hundredths($0) } else { Spread.digits($0) } }
    }
}
