/// Samples of the text format, by name and labels as they stand there.
struct MetricSamples {
    private(set) var values: [String: Double] = [:]

    init(_ text: String) {
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            // A label value may have spaces, a number has none.
            guard let space = line.lastIndex(of: " ") else { continue }
            values[String(line[..<space])] = Double(line[line.index(after: space)...])
        }
    }

    /// Counters of the pool, without those of the agent's process, which restart with it.
    var counters: [String: Double] {
        values.filter { $0.key.hasPrefix("reuseport_agent_") && ($0.key.prefix { $0 != "{" }).hasSuffix("_total") }
    }

    /// The sum of all samples of that name that have all of these labels.
    func sum(_ name: String, _ labels: String...) -> Double {
        values.filter { sample in
            sample.key.prefix { $0 != "{" } == name && labels.allSatisfy { sample.key.contains($0) }
        }.values.reduce(0, +)
    }
}
