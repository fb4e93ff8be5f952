/// Rows of text as columns, each as wide as its widest cell.
package enum Table {
    package static func text(_ rows: [[String]]) -> String { lines(rows).map { $0 + "\n" }.joined() }

    /// - Parameter numeric: the indices of right-aligned columns.
    static func lines(_ rows: [[String]], numeric: Set<Int> = []) -> [String] {
        let columns = (rows.first ?? []).enumerated().map { index, title in
            Columns.Column(title, of: Array(rows.dropFirst()), isFlushRight: numeric.contains(index), rank: 0) {
                Columns.Cell($0[index])
            }
        }
        return Columns(columns: columns).lines(width: .max).map(\.plain)
    }
}
