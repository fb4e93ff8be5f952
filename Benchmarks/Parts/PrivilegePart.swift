import TelemetryLab

/// The shipped unit's capabilities beside root's.
struct PrivilegePart: Part {
    static let name = "privilege"
    static let title = "What CAP_PERFMON saves"
    private static let subjects = [PrivilegeCost.trusted, PrivilegeCost.unit]
    static let tables = [
        ReportTable(
            title: "A run beyond the empty program, ns",
            text: "The same program, loaded by root and with CAP_BPF alone.",
            shape: .byWorkload(.beyond(.nanoseconds, of: PrivilegeCost.empty), subjects: subjects)),
        ReportTable(
            title: "What the verifier's barriers add to a run, ns",
            shape: .byWorkload(
                .beyond(.nanoseconds, of: PrivilegeCost.trusted), subjects: [PrivilegeCost.unit])),
    ]

    let options: BenchOptions
    init(_ options: BenchOptions) { self.options = options }

    func measure(into results: inout Results, tell: (String) -> Void) throws {
        for cost in PrivilegeCost.cases {
            tell(cost.name)
            // Barriers are told from noise by more rounds.
            try Sandbox.runHere { _ in
                try cost.measure(rounds: options.rounds * 2) {
                    results.add($1, .nanoseconds, of: $0, under: cost.name)
                }
            }
        }
    }
}
