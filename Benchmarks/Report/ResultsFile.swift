import Foundation
import SockArrayCore

/// The files of Benchmarks/results, one for each part, and Benchmarks/RESULTS.md, which is made of them.
struct ResultsFile {
    let folder: String

    func write(_ results: Results) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
        try FileManager.default.createDirectory(atPath: "\(folder)/results", withIntermediateDirectories: true)
        try encoder.encode(results).write(to: URL(fileURLWithPath: path(results.part)), options: .atomic)
        try Data(document().utf8).write(to: URL(fileURLWithPath: "\(folder)/RESULTS.md"), options: .atomic)
    }

    private func path(_ part: String) -> String { "\(folder)/results/\(part).json" }

    private func read(_ part: String) throws -> Results? {
        guard FileManager.default.fileExists(atPath: path(part)) else { return nil }
        return try JSONDecoder().decode(Results.self, from: Data(contentsOf: URL(fileURLWithPath: path(part))))
    }

    private func document() throws -> String {
        var parts: [(part: any Part.Type, results: Results)] = []
        for part in Parts.all {
            if let results = try read(part.name) { parts.append((part, results)) }
        }
        let report = Dictionary(uniqueKeysWithValues: parts.map { ($0.part.name, $0.results) })
        var lines = ["# Results", ""]
        let summary = Summary(report).lines
        if !summary.isEmpty { lines += ["## In short", ""] + summary + [""] }
        lines += ["## Targets", "", "| | target | reached | holds | part |", "| --- | --- | ---: | --- | --- |"]
        lines += Target.all.compactMap { $0.row(report) }
        lines += [
            "", "## How to read the tables", "",
            "Written by `make bench`. Every cell is the median of its rounds, with the least and the most in "
                + "parentheses. A ratio is made in each round, of subjects that were measured within seconds of each "
                + "other, and the cell shows its median: it isn't the quotient of two cells. Compare ratios, because "
                + "times depend on the machine and the hour. Parts may come from different runs; each has its date.",
            "",
            "The balancer is the process between routers and collectors, or the agent's process. An exporter is split "
                + "if its streams, four UDP flows or two BMP sessions of one address, reached more than one collector. "
                + "nfacctd tee balances by round robin (`balance-alg=rr`). CPU is the time for each datagram, connection "
                + "or message, and for bulk data for each MiB.",
        ]
        let excuses = Target.all.compactMap { $0.excuse(report) }
        if !excuses.isEmpty { lines += ["", "## What bounds the targets that don't hold", ""] + excuses }
        for (part, results) in parts {
            lines += [
                "", "## \(part.title)", "", "`reuseport-bench \(part.name)`, \(results.date): \(results.machine.text).",
                "",
            ]
            lines += part.charts.flatMap { ["![\(part.title)](\($0))", ""] }
            lines += part.tables.map { $0.markdown(results) }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

extension Machine {
    /// The machine in one sentence.
    var text: String {
        let packages = versions.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        return "\(processors) x \(processor) (\(caches)), \(memory), \(kernel)"
            + (packages.isEmpty ? "" : "; \(packages)")
    }
}
