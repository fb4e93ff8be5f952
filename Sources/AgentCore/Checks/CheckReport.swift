import PoolReport

/// The output of `check` as text: the checks in sections, with their remedies.
package struct CheckReport {
    let lines: [Line]

    /// - Parameters:
    ///   - width: the columns that lines must fit into; nil means no wrapping.
    package init(_ items: [CheckList.Item], width: Int?) {
        var lines: [Line] = []
        var section: String?
        for item in items {
            let heading = Self.section(of: item, after: section)
            if heading != section {
                lines += (section == nil ? [] : [Line()]) + [Line(heading, .strong).clipped(to: width ?? .max)]
                section = heading
            }
            lines += Self.lines(of: item, width: width)
        }
        self.lines = lines + [Line(), Self.summary(items).clipped(to: width ?? .max)]
    }

    package func text(painted: Bool) -> String { lines.map { $0.text(painted: painted) + "\n" }.joined() }

    private static func lines(of item: CheckList.Item, width: Int?) -> [Line] {
        let mark = item.isMissingOption ? Piece("–", .warning) : item.ok ? Piece("✓", .good) : Piece("✗", .bad)
        func oneLine(_ text: String) -> String { width == nil ? LogText.harmless(text) : ShortText.oneCell(text) }
        let lines = Line.marked(mark, oneLine("\(item.check): \(item.detail)"), width: width, others: "  ")
        guard let remedy = item.remedy else { return lines }
        return lines + Wrapping.lines(oneLine(remedy), width: width, first: "    ", others: "    ").map { Line($0) }
    }

    /// The section of an item. Items come in the order of the sections: machine, then configuration; for a
    /// running agent each group, then the pool.
    private static func section(of item: CheckList.Item, after section: String?) -> String {
        if item.check.hasPrefix("group ") { return String(item.check.prefix { $0 != ":" }) }
        if item.check == "configuration" || section == "configuration" { return "configuration" }
        return section == nil || section == "machine" ? "machine" : "pool"
    }

    private static func summary(_ items: [CheckList.Item]) -> Line {
        let wrong = items.count { !$0.ok }
        let optional = items.count { $0.isMissingOption }
        let rest = optional == 0 ? "" : "; optional: \(optional)"
        let problems = Piece("\(wrong) problem\(wrong == 1 ? "" : "s")", .bad)
        return Line([wrong == 0 ? Piece("all is well", .good) : problems, Piece(rest)])
    }
}
