/// Wraps sentences to a width.
enum Wrapping {
    /// - Parameters:
    ///   - width: the columns; nil means one line.
    ///   - first, others: the indents of the first line and of the others.
    static func lines(_ text: String, width: Int?, first: String = "", others: String = "") -> [String] {
        guard let width else { return [first + text] }
        var lines: [String] = []
        var line = first
        var isEmpty = true
        for word in text.split(separator: " ") {
            var word = word
            if !isEmpty, line.count + 1 + word.count > width {
                lines.append(line)
                (line, isEmpty) = (others, true)
            }
            // A word that is longer than a line is cut.
            while word.count > max(1, width - line.count - (isEmpty ? 0 : 1)) {
                let room = max(1, width - line.count)
                lines.append(line + word.prefix(room))
                word = word.dropFirst(room)
                line = others
            }
            line += (isEmpty ? "" : " ") + word
            isEmpty = false
        }
        return lines + [line]
    }
}

extension Line {
    /// A text after a mark of one character, wrapped to a width.
    static func marked(_ mark: Piece, _ text: String, width: Int?, others: String = "") -> [Line] {
        Wrapping.lines(text, width: width.map { $0 - 2 }, others: others).enumerated().map { index, line in
            Line([Piece(index == 0 ? mark.text + " " : "  ", mark.style), Piece(line)])
        }
    }
}
