import AgentCore
import ArgumentParser
import Glibc
import PoolModel
import PoolReport

struct PlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Show what a change would move before it moves.",
        discussion: """
            Examples:
              reuseport-agent plan                           what `reload` would move now
              reuseport-agent plan --add c5 --remove c1
              reuseport-agent plan --weight c4=2 --json
              reuseport-agent plan --add c5 --config edge.yaml
              reuseport-agent plan --rebalance --over 60 --apply

            A row is an entry of the assignment table: exporters whose addresses hash to a row move with it. \
            With --config, the plan comes from the file alone, without an agent, as shares of all rows.

            --rebalance uses the bytes that each exporter sent, and proposes few pins, heaviest \
            exporters first, that bring the busiest collector under the bound. \
            --apply puts the pins in force and keeps them in the agent's state file.
            """)

    @Option(
        help: ArgumentHelp(
            "Collector to add, with an optional weight, 1 to 1000; can be repeated.", valueName: "name[=weight]"),
        transform: WeightedName.init)
    var add: [WeightedName] = []

    @Option(help: ArgumentHelp("Collector to remove; can be repeated.", valueName: "name"))
    var remove: [String] = []

    @Option(
        help: ArgumentHelp("New weight of a collector, 1 to 1000; can be repeated.", valueName: "name=weight"),
        transform: WeightedName.init)
    var weight: [WeightedName] = []

    @Flag(help: "Balance the measured load with pins.")
    var rebalance = false

    @Option(
        help: ArgumentHelp(
            "With --rebalance: highest load of a collector, relative to the share of its weight. Default: 1.1.",
            valueName: "ratio"))
    var bound: Double?

    @Option(
        help: ArgumentHelp(
            "With --rebalance: measure for that long from now, 0.1 to 86400. Default: since the pool was made.",
            valueName: "seconds"))
    var over: Double?

    @Flag(help: "With --rebalance: put the pins in force and keep them.")
    var apply = false

    @Flag(help: "With --rebalance: forget the pins of earlier rebalances. With a high --bound, no pins are left.")
    var startOver = false

    @Flag(help: "Print one JSON object.")
    var json = false

    @Option(help: ArgumentHelp("Plan from this configuration file, without an agent.", valueName: "file"))
    var config: String?

    @OptionGroup var options: ControlOptions

    private static let defaultBound = 1.1

    func validate() throws {
        if let unweighted = weight.first(where: { !$0.isExplicit }) {
            throw ValidationError("--weight takes a name and a weight, for example \(unweighted.collector.name)=2")
        }
        if rebalance {
            guard change.isEmpty, config == nil else {
                throw ValidationError("--rebalance can't be combined with --add, --remove, --weight or --config")
            }
            if let bound, !(bound > 1 && bound <= 1_000) {
                throw ValidationError(
                    "--bound takes a ratio above 1, up to 1000, for example 1.1; 1 is perfect balance")
            }
            if let over, !(over >= 0.1 && over <= 86_400) {
                throw ValidationError("--over takes 0.1 to 86400 seconds")
            }
        } else if bound != nil || over != nil || apply || startOver {
            throw ValidationError("--bound, --over, --apply and --start-over require --rebalance")
        }
        if config != nil, change.isEmpty {
            throw ValidationError("--config requires a change: --add, --remove or --weight")
        }
    }

    func run() throws {
        if rebalance {
            let plan = try rebalancePlan()
            try Output.write(json ? try JSON.text(plan) : RebalanceReport(plan, isApplied: apply).text)
        } else {
            let plan = try movePlan()
            try Output.write(json ? try JSON.text(plan) : MoveReport(plan, isDone: false).text)
        }
    }

    private var change: ConfigurationChange {
        ConfigurationChange(add: add.map(\.collector), remove: remove, weight: weight.map(\.collector))
    }

    private func movePlan() throws -> MovePlan {
        let act = "plan a change"
        if let config {
            let before = try PoolConfiguration.load(path: config)
            return MovePlan(
                from: AssignmentPlan(before), to: AssignmentPlan(try change.applied(to: before, act: act)),
                tracked: [])
        }
        return try options.client.ask(.plan(change), act: act, for: \.moves)
    }

    private func rebalancePlan() throws -> RebalancePlan {
        let act = "rebalance"
        var mark: Int?
        if let over {
            mark = try options.client.ask(.markLoads, act: act, for: \.marked)
            sleep(UInt32(over))
            usleep(UInt32((over - over.rounded(.down)) * 1_000_000))
        }
        let request = ControlRequest.rebalance(
            bound: bound ?? Self.defaultBound, sinceMark: mark, startsOver: startOver, apply: apply)
        return try options.client.ask(request, act: act, for: \.rebalanced)
    }
}

/// A collector's name with an optional weight: `c5` or `c5=2`.
struct WeightedName {
    let collector: PoolConfiguration.Collector
    /// Whether the argument includes a weight.
    let isExplicit: Bool

    @Sendable init(_ argument: String) throws {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard PoolConfiguration.isUsableName(parts[0]) else {
            throw ValidationError("\"\(parts[0])\" is not a usable name: use 1 to 63 letters, digits, _ and -")
        }
        isExplicit = parts.count == 2
        guard isExplicit else {
            collector = PoolConfiguration.Collector(name: parts[0])
            return
        }
        let range = PoolConfiguration.Collector.weights
        guard let weight = Int(parts[1]), String(weight) == parts[1], range.contains(weight) else {
            throw ValidationError(
                "weight \(parts[1]) is not a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        collector = PoolConfiguration.Collector(name: parts[0], weight: weight)
    }
}
