import AgentCore
import ArgumentParser

extension ColorChoice: ExpressibleByArgument {}

struct ColorOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "When to use colors.",
            discussion: "auto means on a terminal, unless NO_COLOR is set and not empty, or TERM is dumb or empty.",
            valueName: "when"))
    var color: ColorChoice = .auto
}
