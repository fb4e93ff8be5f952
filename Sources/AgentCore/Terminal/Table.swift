/// Columns as wide as their widest cell, two spaces apart.
package enum Table {
    package static func text(_ rows: [[String]]) -> String { lines(rows).map { $0 + "\n" }.joined() }

    /// - Parameter numeric: the indices of right-aligned columns.
    static func lines(_ rows: [[String]], numeric: Set<Int> = []) -> [String] {
        guard let first = rows.first else { return [] }
        let widths = first.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = row.indices.map { column in
                let space = String(repeating: " ", count: widths[column] - row[column].count)
                return numeric.contains(column) ? space + row[column] : row[column] + space
            }
            let line = cells.joined(separator: "  ")
            return String(line.prefix(line.count - line.reversed().prefix { $0 == " " }.count))
        }
    }
}
