import AgentCore
import ArgumentParser
import PoolModel
import PoolReport
import SockArrayCore

struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Show which collector receives an exporter's traffic, and why.",
        discussion: """
            Examples:
              reuseport-agent explain 192.0.2.1 2001:db8::1
              reuseport-agent explain 192.0.2.1 --config edge.yaml

            With --config, the answer comes from the file alone, without an agent or privileges, and every \
            collector counts as active. Pins of rebalances belong to the host and don't count.

            At the end of a line, bucket is the entry of the assignment table that the address or the \
            exporter's name hashes to, and ranks are the collectors in the exporter's order of preference.
            """)

    @Argument(help: "Source addresses of exporters.")
    var addresses: [String]

    @Flag(help: "Print one JSON object per line, for each address.")
    var json = false

    @Option(help: ArgumentHelp("Answer from this configuration file, without an agent.", valueName: "file"))
    var config: String?

    @OptionGroup var options: ControlOptions

    func run() throws {
        for explanation in try explanations() {
            try Output.write(json ? try JSON.text(explanation) : Self.sentence(explanation))
        }
        if !json, config == nil,
            try !options.client.ask(.status, act: act, for: \.status).groups.contains(where: \.attached)
        {
            try Output.write(
                "no collector is registered: no program is attached, and the kernel picks among the sockets that are bound"
            )
        }
    }

    private var act: String { "explain \(addresses[0])" }

    private func explanations() throws -> [Explanation] {
        let parsed = try addresses.map { text throws(Failure) in try IPAddress(argument: text) }
        if let config {
            let plan = AssignmentPlan(try PoolConfiguration.load(path: config))
            return parsed.map(plan.explain)
        }
        return try options.client.ask(.explain(addresses: addresses), act: act, for: \.explanations)
    }

    private static func sentence(_ explanation: Explanation) -> String {
        guard let bucket = explanation.bucket else {
            let whom = explanation.why.map { "any collector (\($0): the address doesn't decide)" }
            return "\(explanation.address) -> \(whom ?? "nobody: no collector is usable")"
        }
        let fate =
            switch (explanation.outcome, explanation.collector) {
            case ("selected", let name?) where explanation.why == "session":
                "\(name), where its BMP session is; \(explanation.ranks.first ?? "its owner") when that has ended"
            case ("selected", let name?) where explanation.why == "failover":
                "\(name), which keeps it while no other can take it"
            case ("selected", let name?) where explanation.why == "pin": "\(name), to which it is pinned"
            case ("selected", let name?) where explanation.why == "alias":
                "\(name), the first choice for the exporter's name"
            case ("selected", let name?): "\(name), the first choice for the address"
            case ("failed_over", let name?): "\(name), in place of \(explanation.ranks.first ?? "its owner")"
            case ("held", let name?): "nobody: held for \(name), which is away"
            default: "nobody: no collector is usable"
            }
        let ranks = explanation.ranks.joined(separator: ", ")
        let name = explanation.exporter == explanation.address ? "" : " (\(explanation.exporter))"
        return "\(explanation.address)\(name) -> \(fate) (bucket \(bucket), ranks \(ranks))"
    }
}
