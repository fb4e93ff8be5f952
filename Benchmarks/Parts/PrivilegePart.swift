import TelemetryLab

/// The shipped unit's capabilities beside root's.
struct PrivilegePart: Part {
    static let name = "privilege"
    static let title = "What CAP_PERFMON saves"
    private static let subjects = [PrivilegeCost.trusted, PrivilegeCost.unit]
    static let tables = [
        ReportTable(
            title: "A run beyond the empty program, ns",
            text:
                "The same program, loaded by root and with CAP_BPF alone, for which the verifier adds barriers against "
                + "speculation. With CAP_PERFMON the agent could also read kernel memory by BPF programs and trace "
                + "every process of the host; the unit has it as a comment.",
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
            // More rounds set the barriers apart from noise.
            try Sandbox.runHere { _ in
                try cost.measure(rounds: options.rounds * 2) {
                    results.add($1, .nanoseconds, of: $0, under: cost.name)
                }
            }
        }
    }
}
