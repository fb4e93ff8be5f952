import PoolModel

/// One collector with several sockets, and one exporter that sends to it.
struct WorkerPart: Part {
    static let name = "workers"
    static let title = "One collector with 6 sockets, one exporter"
    static let tables = [
        ReportTable(
            title: "From four source ports",
            text:
                "Each socket has a reader of its own. The most by the mean is 6 if all datagrams are at "
                + "one socket, and 1 if each socket has a sixth.",
            shape: .bySubject([
                .ratio(.deliveredShare, to: Contestants.plain), .ratio(.processorTime, to: Contestants.plain),
                .value(.deliveredShare), .value(.messagesPerSecond), .value(.processorTime), .value(.unevenness),
            ]))
    ]
    private static let sockets = 6

    let options: BenchOptions
    init(_ options: BenchOptions) { self.options = options }

    func measure(into results: inout Results, tell: (String) -> Void) throws {
        var contestants = Contestants(options, .datagrams)
        contestants.add(.plain, collectors: Self.sockets)
        contestants.add(.turn, collectors: Self.sockets)
        for choice in WorkerChoice.allCases {
            contestants.add(
                .agent, name: "agent, workers: \(choice.rawValue)", collectors: Self.sockets, workers: choice.rawValue)
        }
        let orders = [("full speed", nil), ("fixed rate of \(options.rate) a second", options.rate as Int?)]
        let workloads = orders.map { name, rate in
            Comparison.Workload(name: name, order: LoadOrder(sources: 1, rate: rate, seconds: options.seconds))
        }
        try Comparison(contestants: contestants.all, workloads: workloads)
            .measure(options, into: &results, tell: tell)
    }
}
