/// The agent with each assignment.
struct ModePart: Part {
    static let name = "modes"
    static let title = "The agent's modes"
    static let tables = [
        ReportTable(
            title: "UDP at a fixed rate",
            shape: .bySubject([
                .ratio(.processorTime, to: Contestants.plain), .ratio(.ninetyNinth, to: Contestants.plain),
                .value(.processorTime), .value(.ninetyNinth), .value(.split),
            ]))
    ]

    let options: BenchOptions
    init(_ options: BenchOptions) { self.options = options }

    func measure(into results: inout Results, tell: (String) -> Void) throws {
        var contestants = Contestants(options, .datagrams)
        contestants.add(.plain)
        for assignment in ["rendezvous", "maglev", "round-robin", "kernel"] {
            for tracking in ["off", "on"] {
                contestants.add(
                    .agent, name: "\(assignment), tracking \(tracking)",
                    configuration: "assignment: \(assignment)\n" + (tracking == "off" ? "tracking: off" : ""))
            }
        }
        for tracking in ["off", "on"] {
            contestants.add(
                .agent, name: "rendezvous, tracking \(tracking), 10,000 aliases",
                configuration: tracking == "off" ? "tracking: off" : "", aliases: 10_000)
        }
        let order = LoadOrder(rate: options.rate, seconds: options.seconds)
        let workload = Comparison.Workload(name: "fixed rate of \(options.rate) a second, 200 B", order: order)
        try Comparison(contestants: contestants.all, workloads: [workload])
            .measure(options, into: &results, tell: tell)
    }
}

/// How the cost of the whole machine grows with sources and with collectors.
struct ScalePart: Part {
    static let name = "scale"
    static let title = "Many sources, many collectors"
    private static let subjects = [Contestants.plain, Contestants.off, Contestants.on, "nft jhash redirect"]
    static let tables = [
        ReportTable(
            title: "Sources: CPU per datagram, compared with plain SO_REUSEPORT",
            shape: .byWorkload(.ratio(.processorTime, to: Contestants.plain), subjects: Array(subjects.dropFirst())),
            workloads: "from"),
        ReportTable(
            title: "Sources: delivered at full speed, compared with plain SO_REUSEPORT",
            shape: .byWorkload(
                .ratio(.messagesPerSecond, to: Contestants.plain), subjects: Array(subjects.dropFirst())),
            workloads: "full speed from"),
        ReportTable(
            title: "Collectors: CPU per datagram, compared with plain SO_REUSEPORT",
            shape: .byWorkload(.ratio(.processorTime, to: Contestants.plain), subjects: Array(subjects[1...2])),
            workloads: "to"),
    ]

    static let sourceCounts = [1, 16, 1_000, 100_000, 1_000_000]
    static let collectorCounts = [1, 4, 16, 64, 256]

    let options: BenchOptions
    init(_ options: BenchOptions) { self.options = options }

    func measure(into results: inout Results, tell: (String) -> Void) throws {
        var contestants = Contestants(options, .datagrams)
        contestants.addPlainAndAgent()
        contestants.add(.nft)
        let orders = [("from", options.rate as Int?), ("full speed from", nil)]
        let workloads = orders.flatMap { name, rate in
            Self.sourceCounts.map { count in
                Comparison.Workload(
                    name: "\(name) \(count) \(count == 1 ? "source" : "sources")",
                    order: LoadOrder(sources: count, rate: rate, seconds: options.seconds))
            }
        }
        try Comparison(contestants: contestants.all, workloads: workloads)
            .measure(options, into: &results, tell: tell)
        for count in Self.collectorCounts {
            var contestants = Contestants(options, .datagrams)
            contestants.addPlainAndAgent(collectors: count)
            let workload = Comparison.Workload(
                name: "to \(count) \(count == 1 ? "collector" : "collectors")",
                order: LoadOrder(rate: options.rate, seconds: options.seconds))
            try Comparison(contestants: contestants.all, workloads: [workload])
                .measure(options, into: &results, tell: tell)
        }
    }
}
