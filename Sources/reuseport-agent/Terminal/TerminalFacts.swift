import CBPFShim
import Glibc

/// What standard output is.
struct TerminalFacts: Equatable, Sendable {
    struct Size: Equatable, Sendable {
        var lines: Int
        var columns: Int
    }

    /// Nil: no terminal.
    var size: Size?
    var isTerminal: Bool { size != nil }
    /// It can place its cursor.
    var isAddressable: Bool { isTerminal && !["", "dumb"].contains(ColorChoice.variable("TERM") ?? "") }

    /// Columns that text has to fit; nil: nobody looks at it at once, so no sentence is broken.
    var wrapWidth: Int? { size.map { max(20, $0.columns) } }
    /// Columns of a table: 80 where there is no terminal.
    var tableWidth: Int { wrapWidth ?? 80 }

    /// A terminal that doesn't tell its size has 24 lines of 80 columns.
    static func of(_ descriptor: Int32) -> TerminalFacts {
        var lines: UInt16 = 0
        var columns: UInt16 = 0
        guard isatty(descriptor) == 1 else { return TerminalFacts(size: nil) }
        rpa_window_size(descriptor, &lines, &columns)
        return TerminalFacts(
            size: Size(lines: lines == 0 ? 24 : Int(lines), columns: columns == 0 ? 80 : Int(columns)))
    }
}
