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
            .most(0.25, "CPU by UDP datagram over plain SO_REUSEPORT, x that of nfacctd tee", DatagramPart.self) {
                overPlain($0, besides: "nfacctd tee")
            },
            .most(0.15, "CPU by UDP datagram over plain SO_REUSEPORT, x that of nginx", DatagramPart.self) {
                overPlain($0, besides: "nginx stream")
            },
            .least(0.97, "Delivered at full speed, x plain SO_REUSEPORT", DatagramPart.self) {
                worst($0, .deliveredShare, Contestants.on, "full speed", <)
            },
            .most(1.1, "Latency p99 at a fixed rate, x plain SO_REUSEPORT", DatagramPart.self) {
                worst($0, .ninetyNinth, Contestants.on, "fixed rate", >)
            }.because(latencyReason),
            .least(0.97, "New TCP connections, x plain SO_REUSEPORT", StreamPart.self) {
                worst($0, .connectionsPerSecond, Contestants.on, "new", <)
            }.because(connectionReason),
            .most(20, "Program without tracking over its floor, ns, 16 to 100,000 sources", PrivilegePart.self) {
                mostOver($0, .off, .floor, "sources")
            }.because(programReason),
            .most(20, "Program without tracking over its floor, ns, 1 to 256 collectors", PrivilegePart.self) {
                mostOver($0, .off, .floor, "collectors")
            }.because(programReason),
            .most(60, "Tracking 10,000 sources, ns", PrivilegePart.self) { mostOver($0, .on, .off, "sources: 10000") }
                .because(trackingReason),
            .most(120, "Tracking 100,000 sources, ns", PrivilegePart.self) {
                mostOver($0, .on, .off, "sources: 100000")
            }.because(trackingReason),
            .most(20, "Resident without tracking, idle, MiB", AgentPart.self) {
                median($0, .mebibytes, "idle, tracking off")
            },
            .most(150, "From start to ready, ms", AgentPart.self) { median($0, .milliseconds, "start to ready") },
            .most(2, "256 registrations at once, x as many commands that print the version", AgentPart.self) {
                guard let all = median($0, .milliseconds, AgentFigures.registeredAtOnce),
                    let nothing = median($0, .milliseconds, AgentFigures.nothingAtOnce)
                else { return nil }
                return all / nothing
            },
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

    /// What the agent takes more than plain SO_REUSEPORT, by what the peer takes more: the worst workload.
    private static func overPlain(_ results: Results, besides peer: String) -> Double? {
        results.workloads.filter { $0.hasPrefix("fixed rate") }.compactMap { workload in
            let own = results.differences(.processorTime, of: Contestants.on, from: Contestants.plain, under: workload)
            let others = results.differences(.processorTime, of: peer, from: Contestants.plain, under: workload)
            return own.isEmpty || others.isEmpty ? nil : Spread(own).median / Spread(others).median
        }.max()
    }

    /// The most, over the workloads, that a step takes more than another one, in nanoseconds, with CAP_PERFMON.
    private static func mostOver(
        _ results: Results, _ step: PrivilegeCost.Step, _ below: PrivilegeCost.Step, _ workload: String
    ) -> Double? {
        results.workloads.filter { $0 == workload || $0.hasPrefix("\(workload): ") }.compactMap {
            PrivilegeCost.nanoseconds(results, step, over: below, .trusted, $0)
        }.max()
    }

    static func median(_ results: Results, _ figure: Figure, _ workload: String) -> Double? {
        let values = results.values(figure, of: Contestants.on, under: workload)
        return values.isEmpty ? nil : Spread(values).median
    }
}
