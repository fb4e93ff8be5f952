/// The agent compared with plain SO_REUSEPORT and other balancers: UDP.
struct DatagramPart: Part {
    static let name = "udp"
    static let title = "UDP, beside its peers"
    static let packages = ["nftables", "nginx", "libnginx-mod-stream", "pmacct"]
    static let charts = ["udp.svg"]
    static let tables = [
        ReportTable(
            title: "At full speed",
            text: "Datagrams as fast as one sender can send, and how many of them arrive.",
            shape: .bySubject([
                .ratio(.deliveredShare, to: Contestants.plain), .ratio(.messagesPerSecond, to: Contestants.plain),
                .value(.deliveredShare), .value(.messagesPerSecond), .value(.processorTime), .value(.balancerTime),
                .value(.balancerMemory), .value(.split),
            ]), workloads: "full speed"),
        ReportTable(
            title: "At a fixed rate",
            text: "CPU and context switches of the whole machine per delivered datagram: sender, kernel, "
                + "balancer, collectors. \(Contestants.closeness)",
            shape: .bySubject([
                .ratio(.processorTime, to: Contestants.plain), .ratio(.ninetyNinth, to: Contestants.plain),
                .value(.processorTime), .value(.switches), .value(.balancerTime), .value(.deliveredShare),
                .value(.median), .value(.ninetyNinth), .value(.last), .value(.split),
            ]), workloads: "fixed rate"),
    ]

    let options: BenchOptions
    init(_ options: BenchOptions) { self.options = options }

    func measure(into results: inout Results, tell: (String) -> Void) throws {
        var contestants = Contestants(options, .datagrams)
        contestants.addPlainAndAgent()
        for peer in [Subject.nft, .nginx, .nginxOneWay, .tee] { contestants.add(peer) }
        var workloads: [Comparison.Workload] = []
        for rate in [nil, options.rate] {
            for length in [200, 1_400] {
                let name = rate.map { "fixed rate of \($0) a second, \(length) B" } ?? "full speed, \(length) B"
                let order = LoadOrder(length: length, rate: rate, seconds: options.seconds)
                workloads.append(Comparison.Workload(name: name, order: order))
            }
        }
        try Comparison(contestants: contestants.all, workloads: workloads)
            .measure(options, into: &results, tell: tell)
        try Contestants.measureClosely(
            options, .datagrams, workloads.filter { $0.order.rate != nil }, into: &results, tell: tell)
    }
}

/// The same with TCP.
struct StreamPart: Part {
    static let name = "tcp"
    static let title = "TCP, beside its peers"
    static let packages = ["nftables", "nginx", "libnginx-mod-stream", "haproxy"]
    static let charts = ["tcp.svg"]
    static let tables = [
        ReportTable(
            title: "New connections",
            text: "Opened, answered by the collector with one byte, and closed; 16 at a time. \(Contestants.closeness)",
            shape: .bySubject([
                .ratio(.connectionsPerSecond, to: Contestants.plain), .value(.connectionsPerSecond),
                .ratio(.processorTime, to: Contestants.plain), .value(.processorTime), .value(.balancerTime),
                .value(.balancerMemory),
            ]), workloads: "new"),
        ReportTable(
            title: "Bulk",
            text: "32 sessions, as much as goes through. The program is asked for a SYN and never again.",
            shape: .bySubject([
                .ratio(.mebibytesPerSecond, to: Contestants.plain), .value(.mebibytesPerSecond),
                .ratio(.processorTime, to: Contestants.plain), .value(.processorTime),
            ]), workloads: "bulk"),
        ReportTable(
            title: "BMP sessions",
            text: "Two sessions of each of 256 routers, with small messages. Split: a router's two sessions are at two "
                + "collectors.",
            shape: .bySubject([
                .ratio(.processorTime, to: Contestants.plain), .ratio(.ninetyNinth, to: Contestants.plain),
                .value(.processorTime), .value(.switches), .value(.balancerTime), .value(.median), .value(.ninetyNinth),
                .value(.last),
                .value(.split),
            ]), workloads: "BMP"),
    ]

    let options: BenchOptions
    init(_ options: BenchOptions) { self.options = options }

    func measure(into results: inout Results, tell: (String) -> Void) throws {
        var contestants = Contestants(options, .streams)
        contestants.addPlainAndAgent()
        for peer in [Subject.nft, .nginx, .haproxy] { contestants.add(peer) }
        let workloads = [
            Comparison.Workload(
                name: "new connections, 512 routers", order: LoadOrder(kind: .connections, seconds: options.seconds)),
            .init(name: "bulk, 32 sessions", order: LoadOrder(kind: .bulk, seconds: options.seconds)),
            .init(
                name: "BMP, 256 routers, 20000 messages of 200 B a second",
                order: LoadOrder(kind: .messages, sources: 256, rate: 20_000, seconds: options.seconds)),
        ]
        try Comparison(contestants: contestants.all, workloads: workloads)
            .measure(options, into: &results, tell: tell)
        try Contestants.measureClosely(options, .streams, [workloads[0]], into: &results, tell: tell)
    }
}

/// The subjects of the comparison.
struct Contestants {
    static let plain = "plain SO_REUSEPORT"
    static let off = "agent, tracking off"
    static let on = "agent"

    private let options: BenchOptions
    private let transport: StageSetting.Transport
    private(set) var all: [Comparison.Contestant] = []

    init(_ options: BenchOptions, _ transport: StageSetting.Transport) {
        (self.options, self.transport) = (options, transport)
    }

    static func name(_ peer: Subject) -> String {
        switch peer {
        case .plain: plain
        case .agent: on
        case .turn: "round robin by packet"
        case .nft: "nft jhash redirect"
        case .nginx: "nginx stream"
        case .nginxOneWay: "nginx stream, proxy_responses 0"
        case .tee: "nfacctd tee"
        case .haproxy: "HAProxy"
        }
    }

    mutating func add(
        _ subject: Subject, name: String? = nil, collectors: Int = 4, configuration: String = "", aliases: Int = 0,
        workers: String = ""
    ) {
        let setting = StageSetting(
            subject: subject, transport: transport, collectors: collectors, agentProgram: options.agent,
            configuration: configuration, aliases: aliases, workers: workers)
        all.append(Comparison.Contestant(name: name ?? Self.name(subject), setting: setting))
    }

    mutating func addPlainAndAgent(collectors: Int = 4) {
        add(.plain, collectors: collectors)
        add(.agent, name: Self.off, collectors: collectors, configuration: "tracking: off")
        add(.agent, collectors: collectors)
    }

    /// Plain and the agent only, in twice as many additional rounds, because they differ by a few percent
    /// and the noise must be smaller.
    static func measureClosely(
        _ options: BenchOptions, _ transport: StageSetting.Transport, _ workloads: [Comparison.Workload],
        into results: inout Results, tell: (String) -> Void
    ) throws {
        var (options, contestants) = (options, Contestants(options, transport))
        options.rounds *= 2
        contestants.addPlainAndAgent()
        try Comparison(contestants: contestants.all, workloads: workloads).measure(options, into: &results, tell: tell)
    }

    static let closeness = "Plain and the agent have three times as many rounds as the others."
}
