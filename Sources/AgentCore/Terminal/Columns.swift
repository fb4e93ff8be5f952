/// A table that fits a width without wrapped lines: it shortens numbers first, then cuts the middle of
/// names, and then removes columns.
struct Columns {
    struct Cell {
        var text: String
        /// The text for a narrow column.
        var short: String
        var style: Style

        init(_ text: String, short: String? = nil, _ style: Style = .plain) {
            self.text = text
            self.short = short ?? text
            self.style = style
        }

        /// - Parameter style: of a number above 0.
        init(number: UInt64, _ style: Style = .plain) {
            self.init("\(number)", short: ShortText.number(number), number > 0 ? style : .plain)
        }

        /// - Parameters:
        ///   - rate: nil if it isn't known yet.
        ///   - style: of a rate above 0.
        init(rate: Double?, _ style: Style = .plain) {
            self.init(rate.map(ShortText.rate) ?? "–", rate.map { $0 > 0 ? style : .plain } ?? .faint)
        }
    }

    struct Column {
        var title: String
        /// The title for a narrow column.
        var shortTitle: String?
        var cells: [Cell]
        /// The width down to which texts lose their middle; nil means they are never cut.
        var least: Int?
        /// The minimum width, so that a growing number doesn't move the other columns.
        var steady: Int
        var isFlushRight: Bool
        /// The columns with the lowest rank are removed first.
        var rank: Int

        init<Row>(
            _ title: String, short: String? = nil, of rows: [Row], least: Int? = nil, steady: Int = 0,
            isFlushRight: Bool = false, rank: Int, _ cell: (Row) -> Cell
        ) {
            (self.title, shortTitle, cells) = (title, short, rows.map(cell))
            (self.least, self.steady, self.isFlushRight, self.rank) = (least, steady, isFlushRight, rank)
        }

        var natural: Int { max(title.count, steady, cells.map(\.text.count).max() ?? 0) }
        var short: Int { max((shortTitle ?? title).count, steady, cells.map(\.short.count).max() ?? 0) }
    }

    private static let gap = 2
    var columns: [Column]

    /// The title, and a line for each row.
    func lines(width: Int) -> [Line] {
        var kept = columns
        while kept.count > 1 {
            if let widths = Self.widths(kept, in: width) { return Self.draw(kept, widths) }
            let least = kept.map(\.rank).min()
            kept.remove(at: kept.lastIndex { $0.rank == least }!)
        }
        return Self.draw(kept, kept.map { (min($0.natural, width), true) })
    }

    /// - Returns: nil if there is no room for all of them.
    private static func widths(_ columns: [Column], in width: Int) -> [(width: Int, isShort: Bool)]? {
        var widths = columns.map { ($0.natural, false) }
        func excess() -> Int { widths.reduce(0) { $0 + $1.0 } + gap * (columns.count - 1) - width }
        // The columns that save most come first.
        let byGain = columns.indices.sorted {
            columns[$0].natural - columns[$0].short > columns[$1].natural - columns[$1].short
        }
        for index in byGain where excess() > 0 && columns[index].short < columns[index].natural {
            widths[index] = (columns[index].short, true)
        }
        while excess() > 0 {
            let shrinkable = columns.indices.filter { index in
                let titleWidth = (columns[index].shortTitle ?? columns[index].title).count
                return columns[index].least.map { widths[index].0 > max($0, titleWidth) } ?? false
            }
            guard let widest = shrinkable.max(by: { widths[$0].0 < widths[$1].0 }) else { return nil }
            widths[widest].0 -= 1
        }
        return widths
    }

    private static func draw(_ columns: [Column], _ widths: [(width: Int, isShort: Bool)]) -> [Line] {
        let count = columns.map(\.cells.count).max() ?? 0
        return (-1..<count).map { row in
            var pieces: [Piece] = []
            for (index, column) in columns.enumerated() {
                let (width, isShort) = widths[index]
                let cell: Cell =
                    row < 0
                    ? Cell(column.title, short: column.shortTitle, .faint)
                    : row < column.cells.count ? column.cells[row] : Cell("")
                let text = ShortText.middle(isShort ? cell.short : cell.text, to: width)
                let space = String(repeating: " ", count: width - text.count)
                let isLast = index == columns.count - 1
                let separator = isLast ? "" : String(repeating: " ", count: gap)
                if column.isFlushRight {
                    pieces += [Piece(space), Piece(text, cell.style), Piece(separator)]
                } else {
                    pieces += [Piece(text, cell.style), Piece((isLast ? "" : space) + separator)]
                }
            }
            return Line(trimmed(pieces))
        }
    }

    private static func trimmed(_ pieces: [Piece]) -> [Piece] {
        var pieces = pieces
        while let last = pieces.popLast() {
            let blanks = last.text.reversed().prefix { $0 == " " }.count
            guard blanks < last.text.count else { continue }
            pieces.append(Piece(String(last.text.dropLast(blanks)), last.style))
            break
        }
        return pieces.filter { !$0.text.isEmpty }
    }
}
