import Glibc

/// Whether output has colors.
package enum ColorChoice: String, CaseIterable, Sendable {
    case auto, always, never

    /// - Parameters:
    ///   - noColor: $NO_COLOR; if it is set and not empty, `auto` means no colors (no-color.org).
    ///   - term: $TERM; if it is empty or `dumb`, `auto` means no colors.
    package func paints(isTerminal: Bool, noColor: String?, term: String?) -> Bool {
        switch self {
        case .always: true
        case .never: false
        case .auto: isTerminal && (noColor ?? "").isEmpty && !["", "dumb"].contains(term ?? "")
        }
    }

    package func paints(isTerminal: Bool) -> Bool {
        paints(isTerminal: isTerminal, noColor: Self.variable("NO_COLOR"), term: Self.variable("TERM"))
    }

    static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}
