import ArgumentParser
import Glibc

/// Whether output is coloured.
enum ColorChoice: String, CaseIterable, ExpressibleByArgument, Sendable {
    case auto, always, never

    /// - Parameters:
    ///   - noColor: $NO_COLOR: set and not empty, it wants none (no-color.org).
    ///   - term: $TERM: what it calls dumb, or has no name for, knows no colours.
    func paints(isTerminal: Bool, noColor: String?, term: String?) -> Bool {
        switch self {
        case .always: true
        case .never: false
        case .auto: isTerminal && (noColor ?? "").isEmpty && !["", "dumb"].contains(term ?? "")
        }
    }

    func paints(isTerminal: Bool) -> Bool {
        paints(isTerminal: isTerminal, noColor: Self.variable("NO_COLOR"), term: Self.variable("TERM"))
    }

    static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}

struct ColorOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Whether there are colours.",
            discussion: "auto: on a terminal, unless NO_COLOR is set or TERM is dumb.",
            valueName: "when"))
    var color: ColorChoice = .auto
}
