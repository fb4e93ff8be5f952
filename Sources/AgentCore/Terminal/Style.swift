/// The style of a piece of text. Nothing depends on color alone: a state also has a name or a mark.
enum Style: Sendable {
    case plain, strong, faint, good, warning, bad, busy

    /// SGR parameters (ECMA-48, 8.3.117) for the 8 colors that every terminal has and its user can set.
    var parameters: String {
        switch self {
        case .plain: ""
        case .strong: "1"
        case .faint: "2"
        case .good: "32"
        case .warning: "33"
        case .bad: "1;31"
        case .busy: "36"
        }
    }
}

/// Text of one style, without control characters; each character takes one cell.
struct Piece: Equatable, Sendable {
    var text: String
    var style: Style

    init(_ text: String, _ style: Style = .plain) {
        self.text = text
        self.style = style
    }

    func text(painted: Bool) -> String {
        guard painted, !style.parameters.isEmpty, !text.isEmpty else { return text }
        return "\u{1b}[\(style.parameters)m\(text)\u{1b}[0m"
    }
}

/// One line of a terminal.
struct Line: Equatable, Sendable {
    var pieces: [Piece]

    init(_ pieces: [Piece]) { self.pieces = pieces }
    init(_ text: String = "", _ style: Style = .plain) { pieces = [Piece(text, style)] }

    var width: Int { pieces.reduce(0) { $0 + $1.text.count } }
    var plain: String { pieces.map(\.text).joined() }

    /// The same line in the faint style.
    var faint: Line { Line(pieces.map { Piece($0.text, .faint) }) }

    func text(painted: Bool) -> String { pieces.map { $0.text(painted: painted) }.joined() }

    /// The same line, cut to the width with `…` at the end.
    func clipped(to width: Int) -> Line {
        guard self.width > width else { return self }
        var left = max(0, width - 1)
        var kept: [Piece] = []
        for piece in pieces where left > 0 {
            kept.append(Piece(String(piece.text.prefix(left)), piece.style))
            left -= piece.text.count
        }
        return Line(width > 0 ? kept + [Piece("…")] : [])
    }
}
