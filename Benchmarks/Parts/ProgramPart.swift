import TelemetryLab

/// The selection program alone, in nanoseconds.
struct ProgramPart: Part {
    static let name = "program"
    static let title = "Cost of a run of the program"
    static let charts = ["sources.svg", "collectors.svg"]
    private static let subjects = ProgramCost.Subject.allCases.map(\.rawValue)
    private static let empty = ProgramCost.Subject.empty.rawValue
    private static let cost = Cell.beyond(.nanoseconds, of: empty)
    private static let prefixes = ["sources", "collectors", "rows"]
    static let tables: [ReportTable] =
        prefixes.map { prefix in
            ReportTable(
                title: "Over the empty program, ns: \(prefix)",
                shape: .byWorkload(cost, subjects: Array(subjects.dropFirst())), workloads: prefix)
        } + [
            ReportTable(
                title: "How the medians grow with each doubling, ns",
                text: "The slope over 16 to 100,000 sources, 1 to 256 collectors, 256 to 1,048,576 rows.",
                shape: .slopes(cost, over: prefixes, subjects: Array(subjects.dropFirst())))
        ]

    static let sourceCounts = [16, 256, 1_000, 10_000, 100_000]
    static let collectorCounts = [1, 4, 16, 64, 256]
    static let tableSizes = [256, 4_096, 16_384, 65_536, 262_144, 1_048_576]

    let options: BenchOptions
    init(_ options: BenchOptions) { self.options = options }

    func measure(into results: inout Results, tell: (String) -> Void) throws {
        let sources = Self.sourceCounts.map { ("sources: \($0)", ProgramCost(sources: $0), options.rounds) }
        let tables = Self.tableSizes.map {
            ("rows: \($0)", ProgramCost(sources: 100_000, tableSize: $0), options.rounds)
        }
        // More rounds, because the difference is smaller than the noise.
        let collectors = Self.collectorCounts.map {
            ("collectors: \($0)", ProgramCost(sources: 1_000, collectors: $0), options.rounds * 3)
        }
        // In turns, so that a disturbance of the machine affects all cases.
        for turn in 0..<Self.turns {
            for (name, cost, rounds) in sources + collectors + tables {
                let rounds = (rounds + turn) / Self.turns
                guard rounds > 0 else { continue }
                tell("turn \(turn + 1) of \(Self.turns): \(name)")
                try Sandbox.runHere { _ in
                    try cost.measure(rounds: rounds) { subject, nanoseconds in
                        results.add(nanoseconds, .nanoseconds, of: subject.rawValue, under: name)
                    }
                }
            }
        }
    }

    private static let turns = 3
}

/// The cost that configured exporters add to a run.
struct LookupPart: Part {
    static let name = "lookup"
    static let title = "Cost of configured exporters"
    static let tables = [
        ReportTable(
            title: "A run",
            shape: .bySubject([
                .ratio(.nanoseconds, to: LookupCost.subjects[0]), .value(.nanoseconds),
            ]))
    ]

    let options: BenchOptions
    init(_ options: BenchOptions) { self.options = options }

    func measure(into results: inout Results, tell: (String) -> Void) throws {
        try Sandbox.runHere { _ in
            try LookupCost().measure(rounds: options.rounds) {
                results.add($1, .nanoseconds, of: $0, under: "256 sources, 4 collectors")
            }
        }
    }
}

/// The assignment's table.
struct TablePart: Part {
    static let name = "table"
    static let title = "Building a table of 65,536 rows"
    private static let (table, reference) = ("table", "hashes alone, or one of Maglev's tables")
    static let tables = [
        ReportTable(
            title: "Compared with the hashes alone", text: "One hash for each row and collector, in a plain loop.",
            shape: .byWorkload(.ratio(.milliseconds, to: reference), subjects: [table]), workloads: "rendezvous"),
        ReportTable(title: "Time", shape: .byWorkload(.value(.milliseconds), subjects: [table, reference])),
    ]

    let options: BenchOptions
    init(_ options: BenchOptions) { self.options = options }

    func measure(into results: inout Results, tell: (String) -> Void) throws {
        try TableBuild.measure(rounds: options.rounds) { one, table, reference in
            results.add(table, .milliseconds, of: Self.table, under: one.name)
            results.add(reference, .milliseconds, of: Self.reference, under: one.name)
        }
    }
}
