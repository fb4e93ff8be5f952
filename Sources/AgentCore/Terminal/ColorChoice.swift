import Glibc

/// Whether output is coloured.
package enum ColorChoice: String, CaseIterable, Sendable {
    case auto, always, never

    /// - Parameters:
    ///   - noColor: $NO_COLOR: set and not empty, it wants none (no-color.org).
    ///   - term: $TERM: what it calls dumb, or has no name for, knows no colours.
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
