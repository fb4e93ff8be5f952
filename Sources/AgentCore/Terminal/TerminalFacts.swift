import CBPFShim
import Glibc

/// The properties of a terminal, or of a descriptor that isn't one.
package struct TerminalFacts: Equatable, Sendable {
    package struct Size: Equatable, Sendable {
        var lines: Int
        var columns: Int
    }

    /// Nil if it isn't a terminal.
    package var size: Size?
    package var isTerminal: Bool { size != nil }
    /// Whether the cursor can be placed.
    package var isAddressable: Bool { isTerminal && !["", "dumb"].contains(ColorChoice.variable("TERM") ?? "") }

    /// The columns that sentences are wrapped to; nil, without wrapping, if it isn't a terminal.
    package var wrapWidth: Int? { size.map { max(20, $0.columns) } }
    /// The columns of a table: 80 if it isn't a terminal.
    package var tableWidth: Int { wrapWidth ?? 80 }

    /// The facts of a descriptor. A terminal that doesn't report its size counts as 24 lines of 80 columns.
    package static func of(_ descriptor: Int32) -> TerminalFacts {
        var lines: UInt16 = 0
        var columns: UInt16 = 0
        guard isatty(descriptor) == 1 else { return TerminalFacts(size: nil) }
        rpa_window_size(descriptor, &lines, &columns)
        return TerminalFacts(
            size: Size(lines: lines == 0 ? 24 : Int(lines), columns: columns == 0 ? 80 : Int(columns)))
    }
}
