/// The reasons that bound a figure, with other figures of the same run.
extension Target {
    static func latencyReason(_ report: Report) -> String? {
        guard let results = report[DatagramPart.name] else { return nil }
        let spreads = results.workloads.filter { $0.hasPrefix("fixed rate") }.compactMap { workload in
            let ratios = results.ratios(.ninetyNinth, of: Contestants.on, to: Contestants.plain, under: workload)
            return ratios.isEmpty ? nil : (workload: workload, ratios: Spread(ratios))
        }
        guard let worst = spreads.max(by: { $0.ratios.median < $1.ratios.median }) else { return nil }
        let plain = Spread(results.values(.ninetyNinth, of: Contestants.plain, under: worst.workload))
        return "\(worst.ratios.middle) (\(worst.workload)): the sender and four collectors share "
            + "\(results.machine.processors) processors, and plain SO_REUSEPORT's own p99 is \(plain.middle) us. "
            + programCost(report)
    }

    private static func programCost(_ report: Report) -> String {
        let more = report[ProgramPart.name].map { overEmpty($0, .on, "sources: 1000") } ?? []
        return more.isEmpty
            ? ""
            : "A run of the program takes \(Spread.digits(Spread(more).median)) ns more than an empty one, with tracking."
    }

    /// The nanoseconds beyond an empty program, for each round.
    static func overEmpty(
        _ results: Results, _ subject: ProgramCost.Subject, _ workload: String
    ) -> [Double] {
        results.differences(
            .nanoseconds, of: subject.rawValue, from: ProgramCost.Subject.empty.rawValue, under: workload)
    }

    static func connectionReason(_ report: Report) -> String? {
        guard let results = report[StreamPart.name],
            let workload = results.workloads.first(where: { $0.hasPrefix("new") })
        else { return nil }
        func difference(_ subject: String, _ figure: Figure) -> String {
            let values = results.differences(figure, of: subject, from: Contestants.plain, under: workload)
            return values.isEmpty ? "?" : Spread.digits(Spread(values).median)
        }
        let own = results.values(.balancerTime, of: Contestants.on, under: workload)
        guard !own.isEmpty else { return nil }
        return "the whole machine takes \(difference(Contestants.on, .processorTime)) us more for a connection that "
            + "opens and ends at once, \(Spread.digits(Spread(own).median)) of them in the agent, which forgets ended "
            + "sessions in sweeps. The rest is the kernel's: the run, its entry among the sessions, and a message "
            + "(sock_diag) of each socket that ends, without which nobody would hear of a collector's listener that "
            + "is closed."
    }

    static func programReason(_ report: Report) -> String? {
        guard let results = report[StepPart.name],
            let workload = results.workloads.first(where: { $0.hasSuffix(" 1000") })
        else { return nil }
        let subjects = ProgramSeries.steps(sources: 1_000).subjects
        let medians = subjects.map { subject in
            let values = results.differences(.nanoseconds, of: subject, from: ProgramSeries.empty, under: workload)
            return values.isEmpty ? 0 : Spread(values).median
        }
        func step(_ index: Int) -> String { Spread.digits(medians[index] - medians[index - 1]) }
        return "on this machine two calls into the kernel that no selection by source address can do without take "
            + "\(step(1)) ns (the address is read, bpf_skb_load_bytes_relative) and \(step(3)) ns (a socket is "
            + "selected, bpf_sk_select_reuseport): \(Spread.digits(medians[1] + medians[3] - medians[2])) together. "
            + "Of what is the agent's own, the hash takes \(step(2)) ns, the row's owner \(step(4)), whether its "
            + "collector is away \(step(5)), the counts \(step(6)), and the tail call by which all groups of a pool "
            + "change their table at once \(step(7)) (`steps`, 1,000 sources; differences of a few ns are noise). "
            + "`ideas` and `hashes` show the alternatives that were measured."
    }

    static func trackingReason(_ report: Report) -> String? {
        guard let results = report[PrivilegePart.name] else { return nil }
        let costs = PrivilegeCost.sourceCounts.compactMap { count in
            PrivilegeCost.nanoseconds(results, .on, over: .off, .trusted, "sources: \(count)").map {
                "\(count): \(Spread.digits($0))"
            }
        }
        return "ns by the number of sources, \(costs.joined(separator: "; ")). A run of one of many sources waits for "
            + "one line of memory of its source, 32 bytes that no other run has touched for long, and for the "
            + "translation of its address: the kernel maps arrays by pages of 4 KiB."
    }
}
