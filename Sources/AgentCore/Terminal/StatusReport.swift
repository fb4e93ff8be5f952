import SockArrayCore

/// `status` for people: tables that fit their width, and what isn't as it should be.
package struct StatusReport {
    let lines: [Line]
    /// Collectors that are told of one by one.
    private static let troubleLimit = 4

    /// - Parameters:
    ///   - width: columns of the tables: `TerminalFacts.tableWidth`.
    ///   - wrapWidth: of sentences; nil: they aren't wrapped.
    package init(_ status: PoolStatus, width: Int, wrapWidth: Int?) {
        let tables = PoolTables(status, rates: nil, hasMarks: wrapWidth != nil)
        var lines = [tables.title(width: width), Line()]
        lines += tables.collectors(width: width).lines(width: width) + [Line()]
        lines += tables.groups.lines(width: width)
        let tracking = tables.tracking(width: width)
        if !tracking.isEmpty { lines += [Line()] + tracking }
        let usage = status.usage.map { UsageLines.lines($0, width: wrapWidth) } ?? []
        let troubles = status.collectors.compactMap(\.trouble)
        if !troubles.isEmpty || !status.findings.isEmpty || !usage.isEmpty { lines.append(Line()) }
        for trouble in troubles.prefix(Self.troubleLimit) {
            lines += FindingLines.lines(trouble, isProblem: false, width: wrapWidth)
        }
        if troubles.count > Self.troubleLimit {
            lines += FindingLines.lines(
                "\(troubles.count - Self.troubleLimit) more aren't active: GET /healthz has them all",
                isProblem: false, width: wrapWidth)
        }
        lines += usage
        for finding in status.findings { lines += FindingLines.lines(finding, width: wrapWidth) }
        self.lines = lines
    }

    package func text(painted: Bool) -> String { lines.map { $0.text(painted: painted) + "\n" }.joined() }
}

enum FindingLines {
    /// - Parameter width: nil: one line.
    static func lines(_ finding: AuditFinding, width: Int?) -> [Line] {
        lines("\(finding.name): \(finding.text)", isProblem: finding.level == .problem, width: width)
    }

    static func lines(_ text: String, isProblem: Bool, width: Int?) -> [Line] {
        let mark = isProblem ? "✗" : "–"
        let text = ShortText.oneCell(text)
        return Wrapping.lines(text, width: width.map { $0 - 2 }).enumerated().map { index, line in
            Line([Piece(index == 0 ? "\(mark) " : "  ", isProblem ? .bad : .warning), Piece(line)])
        }
    }
}

/// Usage events that fail, or are overdue; nothing where all is well.
enum UsageLines {
    /// - Parameter width: nil: one line.
    static func lines(_ usage: UsageStatus, width: Int?) -> [Line] {
        guard usage.isOverdue || usage.lastError != nil else { return [] }
        let pending = usage.pendingEvents == 1 ? "1 event waits" : "\(usage.pendingEvents) events wait"
        let cause = usage.lastError.map { ": \($0)" } ?? ""
        return FindingLines.lines(
            "usage\(usage.isOverdue ? " is overdue" : ""), \(pending)\(cause)", isProblem: usage.isOverdue, width: width
        )
    }
}
