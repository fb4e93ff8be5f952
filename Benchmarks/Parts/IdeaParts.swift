import TelemetryLab

/// The cost of each step of a run.
struct StepPart: Part {
    static let name = "steps"
    static let title = "The steps of a run"
    static let tables = [
        ReportTable(
            title: "Over the empty program, ns",
            text: "Programs that end after a step, and do all those before. Tracking is off; 4 collectors.",
            shape: .bySubject([.beyond(.nanoseconds, of: ProgramSeries.empty), .value(.nanoseconds)]))
    ]

    let options: BenchOptions
    init(_ options: BenchOptions) { self.options = options }

    func measure(into results: inout Results, tell: (String) -> Void) throws {
        for sources in [16, 1_000, 100_000] {
            try results.add(.steps(sources: sources), under: "sources: \(sources)", options, tell)
        }
    }
}

/// Alternatives to the last step.
struct IdeaPart: Part {
    static let name = "ideas"
    static let title = "Other ways to do it"
    static let tables = [
        ReportTable(
            title: "Beyond the program as it is, ns",
            text: "Selected and counted, without the tail call. Tracking is off; 4 collectors, 65,536 rows.",
            shape: .bySubject([
                .beyond(.nanoseconds, of: ProgramSeries.asItIs), .value(.nanoseconds),
            ]))
    ]

    let options: BenchOptions
    init(_ options: BenchOptions) { self.options = options }

    func measure(into results: inout Results, tell: (String) -> Void) throws {
        for sources in [1_000, 100_000] {
            try results.add(.ideas(sources: sources), under: "sources: \(sources)", options, tell)
        }
    }
}

/// Hashes of an address.
struct HashPart: Part {
    static let name = "hashes"
    static let title = "Hashes of 16 bytes"
    private static let workload = "each takes in what the one before gave"
    static let tables = [ReportTable(title: "Until the hash is there", shape: .bySubject([.value(.hash)]))]

    let options: BenchOptions
    init(_ options: BenchOptions) { self.options = options }

    func measure(into results: inout Results, tell: (String) -> Void) throws {
        tell(Self.workload)
        try Sandbox.runHere { _ in
            var loop = 0.0
            try ProgramSeries.hashes().measure(rounds: options.rounds) { subject, nanoseconds in
                if subject == ProgramSeries.noHash { loop = nanoseconds }
                guard ![ProgramSeries.empty, ProgramSeries.noHash].contains(subject) else { return }
                results.add(
                    (nanoseconds - loop) / ProgramSeries.hashesPerRun, .hash, of: subject, under: Self.workload)
            }
        }
    }
}

extension Results {
    fileprivate mutating func add(
        _ series: ProgramSeries, under workload: String, _ options: BenchOptions, _ tell: (String) -> Void
    ) throws {
        tell(workload)
        try Sandbox.runHere { _ in
            try series.measure(rounds: options.rounds) { add($1, .nanoseconds, of: $0, under: workload) }
        }
    }
}
