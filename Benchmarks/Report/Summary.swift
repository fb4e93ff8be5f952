/// What a user of the agent wants to know first, with the figures of the parts that were measured.
struct Summary {
    private let report: Target.Report
    private static let workload = "fixed rate of 30000 a second, 200 B"

    init(_ report: Target.Report) { self.report = report }

    var lines: [String] { [datagrams, streams, connections, program, agent].compactMap(\.self).map { "- \($0)" } }

    private func ratio(_ part: any Part.Type, _ figure: Figure, _ subject: String, _ workload: String) -> String? {
        guard let results = report[part.name] else { return nil }
        let ratios = results.ratios(figure, of: subject, to: Contestants.plain, under: workload)
        return ratios.isEmpty ? nil : Spread.hundredths(Spread(ratios).median)
    }

    private func median(_ part: any Part.Type, _ figure: Figure, _ subject: String, _ workload: String) -> String? {
        guard let values = report[part.name]?.values(figure, of: subject, under: workload), !values.isEmpty else {
            return nil
        }
        return Spread.digits(Spread(values).median)
    }

    private var datagrams: String? {
        func cost(_ subject: String) -> String? {
            ratio(DatagramPart.self, .processorTime, subject, Self.workload)
        }
        guard let off = cost(Contestants.off), let on = cost(Contestants.on), let tee = cost("nfacctd tee"),
            let nginx = cost("nginx stream")
        else { return nil }
        return "**A UDP datagram** takes \(off) times the CPU of plain SO_REUSEPORT, with tracking \(on) times; by "
            + "way of nfacctd tee \(tee) times, and of nginx \(nginx) times."
    }

    private var streams: String? {
        func split(_ subject: String) -> String? { median(DatagramPart.self, .split, subject, Self.workload) }
        guard let plain = split(Contestants.plain), let on = split(Contestants.on) else { return nil }
        return
            "**An exporter's streams** reach several collectors with plain SO_REUSEPORT (\(plain) % of the exporters), "
            + "and with the agent one collector (\(on) % are split)."
    }

    private var connections: String? {
        guard let workload = report[StreamPart.name]?.workloads.first(where: { $0.hasPrefix("new") }) else {
            return nil
        }
        func rate(_ subject: String) -> String? {
            ratio(StreamPart.self, .connectionsPerSecond, subject, workload)
        }
        guard let on = rate(Contestants.on), let haproxy = rate("HAProxy") else { return nil }
        return "**New TCP connections**: \(on) times as many a second as plain SO_REUSEPORT; by way of HAProxy "
            + "\(haproxy) times."
    }

    private var program: String? {
        guard let results = report[PrivilegePart.name] else { return nil }
        func nanoseconds(_ step: PrivilegeCost.Step, _ below: PrivilegeCost.Step, _ sources: Int) -> String? {
            PrivilegeCost.nanoseconds(results, step, over: below, .trusted, "sources: \(sources)").map(Spread.digits)
        }
        let tracking = PrivilegeCost.sourceCounts.compactMap { nanoseconds(.on, .off, $0) }
        guard let off = nanoseconds(.off, .floor, 1_000), tracking.count == PrivilegeCost.sourceCounts.count else {
            return nil
        }
        let counts = PrivilegeCost.sourceCounts.map { "\($0)" }.joined(separator: ", ")
        return
            "**The BPF program** takes \(off) ns more than the least program that selects by source address. Tracking "
            + "adds \(tracking.joined(separator: ", ")) ns with \(counts) sources. The shipped unit, which has no "
            + "CAP_PERFMON, takes more: see [a run over its floor](#a-run-over-its-floor)."
    }

    private var agent: String? {
        guard let memory = median(AgentPart.self, .mebibytes, Contestants.on, "idle, tracking off"),
            let start = median(AgentPart.self, .milliseconds, Contestants.on, "start to ready")
        else { return nil }
        return "**The agent** has \(memory) MiB of resident memory and is ready \(start) ms after its start."
    }
}
