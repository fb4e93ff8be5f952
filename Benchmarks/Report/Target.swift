/// A target with the measured figure.
struct Target {
    let text: String
    let bound: String
    let part: String
    let reached: (Results) -> Double?
    let holds: (Double) -> Bool
    /// The reason why it can't be met, with the figures of that run.
    var reason: (Report) -> String? = { _ in nil }

    /// The results of the measured parts, by name.
    typealias Report = [String: Results]

    /// A target that holds if the figure is at most the bound.
    static func most(_ bound: Double, _ text: String, _ part: any Part.Type, _ reached: @escaping (Results) -> Double?)
        -> Target
    {
        Target(text: text, bound: "at most \(bound)", part: part.name, reached: reached) { $0 <= bound }
    }

    static func least(_ bound: Double, _ text: String, _ part: any Part.Type, _ reached: @escaping (Results) -> Double?)
        -> Target
    {
        Target(text: text, bound: "at least \(bound)", part: part.name, reached: reached) { $0 >= bound }
    }

    func because(_ reason: @escaping (Report) -> String?) -> Target {
        var target = self
        target.reason = reason
        return target
    }

    func row(_ report: Report) -> String? {
        guard let results = report[part], let figure = reached(results) else { return nil }
        return "| \(text) | \(bound) | \(Spread.hundredths(figure)) | \(holds(figure) ? "yes" : "**no**") | `\(part)` |"
    }

    /// The reason why the target doesn't hold; nil if it holds.
    func excuse(_ report: Report) -> String? {
        guard let results = report[part], let figure = reached(results), !holds(figure) else { return nil }
        return
            "- **\(text)**: \(reason(report) ?? "no cause was measured. The table of `\(part)` shows how much the rounds differ.")"
    }

    static var all: [Target] {
        [
            .most(1.05, "CPU by UDP datagram, tracking off, x plain SO_REUSEPORT", DatagramPart.self) {
                worst($0, .processorTime, Contestants.off, "fixed rate", >)
            },
            .most(1.10, "CPU by UDP datagram, tracking on, x plain SO_REUSEPORT", DatagramPart.self) {
                worst($0, .processorTime, Contestants.on, "fixed rate", >)
            },
            .least(2.5, "CPU by UDP datagram of nfacctd tee, x the agent's", DatagramPart.self) {
                beside($0, .processorTime, "nfacctd tee", "fixed rate")
            }.because { peerReason($0, "nfacctd tee", 2.5) },
            .least(4, "CPU by UDP datagram of nginx, x the agent's", DatagramPart.self) {
                beside($0, .processorTime, "nginx stream", "fixed rate")
            }.because { peerReason($0, "nginx stream", 4) },
            .least(0.97, "Delivered at full speed, x plain SO_REUSEPORT", DatagramPart.self) {
                worst($0, .deliveredShare, Contestants.on, "full speed", <)
            },
            .most(1.1, "Latency p99 at a fixed rate, x plain SO_REUSEPORT", DatagramPart.self) {
                worst($0, .ninetyNinth, Contestants.on, "fixed rate", >)
            }.because(latencyReason),
            .least(0.95, "New TCP connections, x plain SO_REUSEPORT", StreamPart.self) {
                worst($0, .connectionsPerSecond, Contestants.on, "new", <)
            }.because(connectionReason),
            .most(45, "Program over an empty one, ns, 16 to 100,000 sources", ProgramPart.self) {
                mostBeyondEmpty($0, "sources")
            }.because(programReason),
            .most(1.15, "Program over an empty one, 1 to 256 collectors: most by least", ProgramPart.self) {
                let all = beyondEmpty($0, "collectors")
                return all.isEmpty ? nil : all.max()! / all.min()!
            }.because(flatnessReason),
            .most(20, "Resident without tracking, idle, MiB", AgentPart.self) {
                median($0, .mebibytes, "idle, tracking off")
            },
            .most(150, "From start to ready, ms", AgentPart.self) { median($0, .milliseconds, "start to ready") },
            .most(1_000, "256 registrations at once, ms", AgentPart.self) {
                median($0, .milliseconds, AgentFigures.registeredAtOnce)
            }.because(registrationReason),
        ]
    }

    /// The worst median, over the workloads, of the ratios to plain SO_REUSEPORT.
    private static func worst(
        _ results: Results, _ figure: Figure, _ subject: String, _ prefix: String, _ isWorse: (Double, Double) -> Bool
    ) -> Double? {
        results.workloads.filter { $0.hasPrefix(prefix) }.compactMap { workload in
            let ratios = results.ratios(figure, of: subject, to: Contestants.plain, under: workload)
            return ratios.isEmpty ? nil : Spread(ratios).median
        }.max { isWorse($1, $0) }
    }

    private static func beside(_ results: Results, _ figure: Figure, _ peer: String, _ prefix: String) -> Double? {
        results.workloads.filter { $0.hasPrefix(prefix) }.compactMap { workload in
            let ratios = results.ratios(figure, of: peer, to: Contestants.on, under: workload)
            return ratios.isEmpty ? nil : Spread(ratios).median
        }.min()
    }

    private static func beyondEmpty(_ results: Results, _ prefix: String) -> [Double] {
        results.workloads.filter { $0.hasPrefix(prefix) }.compactMap { workload in
            let more = overEmpty(results, .off, workload)
            return more.isEmpty ? nil : Spread(more).median
        }
    }

    private static func mostBeyondEmpty(_ results: Results, _ prefix: String) -> Double? {
        beyondEmpty(results, prefix).max()
    }

    static func median(_ results: Results, _ figure: Figure, _ workload: String) -> Double? {
        let values = results.values(figure, of: Contestants.on, under: workload)
        return values.isEmpty ? nil : Spread(values).median
    }
}
