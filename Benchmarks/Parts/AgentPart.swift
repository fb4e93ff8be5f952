import TelemetryLab

/// The agent's work outside the data plane.
struct AgentPart: Part {
    static let name = "agent"
    static let title = "The agent"
    static let packages = ["curl"]
    static let tables = [
        ReportTable(
            title: "How long it takes",
            shape: .byWorkload(.value(.milliseconds), subjects: [Contestants.on]), workloads: ""),
        ReportTable(
            title: "While nothing changes",
            text: "Four collectors configured, one registered. The scrapes are 5 s apart, for a minute.",
            shape: .byWorkload(.value(.mebibytes), subjects: [Contestants.on]), workloads: "idle"),
        ReportTable(
            title: "Processor time while nothing changes",
            shape: .byWorkload(.value(.processorShare), subjects: [Contestants.on]), workloads: "idle"),
    ]

    let options: BenchOptions
    init(_ options: BenchOptions) { self.options = options }

    private static let idle: [(name: String, configuration: String, exporters: UInt32, scrapes: Int)] = [
        ("idle, tracking off", "tracking: off", 0, 0),
        ("idle", "", 0, 0),
        ("idle, 10,000 exporters tracked, scraped", "", 10_000, 12),
    ]

    func measure(into results: inout Results, tell: (String) -> Void) throws {
        for round in 1...options.rounds {
            tell("round \(round) of \(options.rounds)")
            var measured = results
            try Sandbox.runHere { sandbox in
                let figures = AgentFigures(program: options.agent, sandbox: sandbox) {
                    measured.add($1, .milliseconds, of: Contestants.on, under: $0)
                }
                try figures.measureOne()
                try figures.measureMany()
            }
            for one in Self.idle where one.scrapes == 0 || round == 1 {
                try Sandbox.runHere { sandbox in
                    let idle = try IdleFigures(
                        program: options.agent, configuration: one.configuration, exporters: one.exporters,
                        scrapes: one.scrapes, in: sandbox)
                    measured.add(idle.mebibytes, .mebibytes, of: Contestants.on, under: one.name)
                    measured.add(idle.percent, .processorShare, of: Contestants.on, under: one.name)
                }
            }
            results = measured
        }
    }
}
