import AgentCore
import ArgumentParser

extension ColorChoice: ExpressibleByArgument {}

struct ColorOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "When to use colors.",
            discussion: "auto means on a terminal, unless NO_COLOR is set or TERM is dumb.",
            valueName: "when"))
    var color: ColorChoice = .auto
}
