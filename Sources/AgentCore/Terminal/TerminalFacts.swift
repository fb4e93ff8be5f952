import CBPFShim
import Glibc

/// What standard output is.
package struct TerminalFacts: Equatable, Sendable {
    package struct Size: Equatable, Sendable {
        var lines: Int
        var columns: Int
    }

    /// Nil: no terminal.
    package var size: Size?
    package var isTerminal: Bool { size != nil }
    /// It can place its cursor.
    package var isAddressable: Bool { isTerminal && !["", "dumb"].contains(ColorChoice.variable("TERM") ?? "") }

    /// Columns that text has to fit; nil: nobody looks at it at once, so no sentence is broken.
    package var wrapWidth: Int? { size.map { max(20, $0.columns) } }
    /// Columns of a table: 80 where there is no terminal.
    package var tableWidth: Int { wrapWidth ?? 80 }

    /// A terminal that doesn't tell its size has 24 lines of 80 columns.
    package static func of(_ descriptor: Int32) -> TerminalFacts {
        var lines: UInt16 = 0
        var columns: UInt16 = 0
        guard isatty(descriptor) == 1 else { return TerminalFacts(size: nil) }
        rpa_window_size(descriptor, &lines, &columns)
        return TerminalFacts(
            size: Size(lines: lines == 0 ? 24 : Int(lines), columns: columns == 0 ? 80 : Int(columns)))
    }
}
