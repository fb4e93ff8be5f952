/// The reasons that bound a figure, with other figures of the same run.
extension Target {
    static func peerReason(_ report: Report, _ peer: String, _ factor: Double) -> String? {
        guard let results = report[DatagramPart.name],
            let workload = results.workloads.first(where: { $0.hasPrefix("fixed rate") })
        else { return nil }
        func median(_ subject: String, _ figure: Figure) -> String {
            let values = results.values(figure, of: subject, under: workload)
            return values.isEmpty ? "?" : Spread.digits(Spread(values).median)
        }
        let cost = results.values(.processorTime, of: peer, under: workload)
        let plain = results.values(.processorTime, of: Contestants.plain, under: workload)
        guard !cost.isEmpty, !plain.isEmpty else { return nil }
        let most = Spread(cost).median / factor
        return "plain SO_REUSEPORT itself takes \(median(Contestants.plain, .processorTime)) us by datagram on this "
            + "machine (\(workload)), with \(median(Contestants.plain, .switches)) context switches, and the agent "
            + "\(median(Contestants.on, .processorTime)): sending, the loopback, waking a collector that sleeps, and "
            + "its reading. \(peer) takes \(median(peer, .processorTime)), \(median(peer, .balancerTime)) of them in "
            + "its own processes. It is \(factor) x the agent where that takes at most \(Spread.digits(most)) us"
            + (most < Spread(plain).median ? ", and plain SO_REUSEPORT alone takes more than that." : ".")
    }

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

    static func flatnessReason(_ report: Report) -> String? {
        guard let results = report[ProgramPart.name] else { return nil }
        let workloads = results.workloads.filter { $0.hasPrefix("collectors") }
        guard let first = workloads.first, let last = workloads.last else { return nil }
        func middle(_ subject: ProgramCost.Subject, _ workload: String) -> String {
            Spread(overEmpty(results, subject, workload)).middle
        }
        let costs = workloads.map { "\($0.dropFirst("collectors: ".count)): \(middle(.off, $0))" }
        return
            "ns by the number of collectors, \(costs.joined(separator: "; ")). The \(ProgramCost.Subject.modulo.rawValue) "
            + "of the same sockets takes \(middle(.modulo, first)), and \(middle(.modulo, last)): each collector has its "
            + "socket, its slot (32 bytes) and its counts (32 bytes), which the first-level cache keeps of a few alone."
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

    static func registrationReason(_ report: Report) -> String? {
        guard let results = report[AgentPart.name],
            let nothing = median(results, .milliseconds, AgentFigures.nothingAtOnce)
        else { return nil }
        return "as many commands that only print the version take \(Spread.digits(nothing)) ms on the "
            + "\(results.machine.processors) processors of this machine: the start of the processes, of which the "
            + "Swift runtime's search for conformances is the largest part."
    }
}
