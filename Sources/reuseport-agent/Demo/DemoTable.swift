import AgentCore
import PoolModel

/// The demo's result: which collectors received each exporter's streams, in both rounds.
struct DemoTable {
    let text: String
    let allMetWithAgent: Bool

    init(before: [Demo.Outcome], after: [Demo.Outcome]) {
        var rows = [
            ["", "WITHOUT AGENT", "", "", "WITH AGENT", "", ""],
            ["EXPORTER", "IPFIX", "BMP", "SAME", "IPFIX", "BMP", "SAME"],
        ]
        for (first, second) in zip(before, after) {
            rows.append(["\(first.exporter)"] + Self.cells(first) + Self.cells(second))
        }
        let (metBefore, metAfter) = (before.count { $0.met }, after.count { $0.met })
        allMetWithAgent = metAfter == after.count
        text =
            Table.text(rows)
            + "\nExporters with all streams on one collector: \(metBefore) of \(before.count) without the agent, "
            + "\(metAfter) of \(after.count) with it\n"
    }

    private static func cells(_ outcome: Demo.Outcome) -> [String] {
        func list(_ names: [String]) -> String { names.isEmpty ? "-" : names.joined(separator: ",") }
        return [list(outcome.ipfix), list(outcome.bmp), outcome.met ? "yes" : "no"]
    }
}
