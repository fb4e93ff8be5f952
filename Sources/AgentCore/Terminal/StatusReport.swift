import PoolModel
import PoolReport

/// The output of `status` as text: tables that fit a width, and problems.
package struct StatusReport {
    let lines: [Line]
    /// The maximum number of collectors with a line of their own.
    private static let troubleLimit = 4

    /// - Parameters:
    ///   - width: the columns of the tables: `TerminalFacts.tableWidth`.
    ///   - wrapWidth: the columns of sentences; nil means no wrapping.
    package init(_ status: PoolStatus, width: Int, wrapWidth: Int?) {
        let tables = PoolTables(status: status, hasMarks: wrapWidth != nil)
        var lines = [tables.title(width: width), Line()]
        lines += tables.collectors(width: width).lines(width: width) + [Line()]
        lines += tables.groups.lines(width: width)
        let tracking = tables.tracking(width: width)
        if !tracking.isEmpty { lines += [Line()] + tracking }
        let usage = status.usage.map { FindingLines.lines($0, width: wrapWidth) } ?? []
        let troubles = status.collectors.compactMap(\.trouble)
        if !troubles.isEmpty || !status.findings.isEmpty || !usage.isEmpty { lines.append(Line()) }
        for trouble in troubles.prefix(Self.troubleLimit) {
            lines += FindingLines.lines(trouble, isProblem: false, width: wrapWidth)
        }
        if troubles.count > Self.troubleLimit {
            lines += FindingLines.lines(
                "\(troubles.count - Self.troubleLimit) more aren't active: GET /healthz lists all",
                isProblem: false, width: wrapWidth)
        }
        lines += usage
        for finding in status.findings { lines += FindingLines.lines(finding, width: wrapWidth) }
        self.lines = lines
    }

    package func text(painted: Bool) -> String { lines.map { $0.text(painted: painted) + "\n" }.joined() }
}

enum FindingLines {
    /// - Parameter width: the columns; nil means one line.
    static func lines(_ finding: AuditFinding, width: Int?) -> [Line] {
        lines("\(finding.name): \(finding.text)", isProblem: finding.level == .problem, width: width)
    }

    static func lines(_ text: String, isProblem: Bool, width: Int?) -> [Line] {
        let mark = isProblem ? "✗" : "–"
        let text = ShortText.oneCell(text)
        return Line.marked(Piece(mark, isProblem ? .bad : .warning), text, width: width)
    }

    /// The line about usage events that fail or are overdue; none if all is well.
    static func lines(_ usage: UsageStatus, width: Int?) -> [Line] {
        guard usage.isOverdue || usage.lastError != nil else { return [] }
        let pending = usage.pendingEvents == 1 ? "1 event waits" : "\(usage.pendingEvents) events wait"
        let cause = usage.lastError.map { ": \($0)" } ?? ""
        return lines(
            "usage\(usage.isOverdue ? " is overdue" : ""), \(pending)\(cause)", isProblem: usage.isOverdue, width: width
        )
    }
}
