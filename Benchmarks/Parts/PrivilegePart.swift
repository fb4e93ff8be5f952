import TelemetryLab

/// A run over its floor, with CAP_PERFMON and with the shipped unit's capabilities.
struct PrivilegePart: Part {
    static let name = "privilege"
    static let title = "A run over its floor"
    static let tables =
        [
            ReportTable(
                title: "Over the empty program, ns",
                text:
                    "The floor reads the source address and selects a socket by its hash: no selection by source "
                    + "can do with less. The shipped unit has CAP_BPF alone, for which the verifier adds barriers "
                    + "against speculation. With CAP_PERFMON, or as root, the agent could also read kernel memory by "
                    + "BPF programs and trace every process of the host; the unit has it as a comment.",
                shape: .byWorkload(
                    .beyond(.nanoseconds, of: PrivilegeCost.empty),
                    subjects: PrivilegeCost.Privilege.allCases.flatMap { privilege in
                        PrivilegeCost.Step.allCases.map { PrivilegeCost.subject($0, privilege) }
                    }))
        ]
        + PrivilegeCost.Privilege.allCases.flatMap { privilege in
            [(PrivilegeCost.Step.off, PrivilegeCost.Step.floor), (.on, .off)].map { step, below in
                ReportTable(
                    title: "\(step.rawValue) over \(below.rawValue), ns: \(privilege.rawValue)",
                    shape: .byWorkload(
                        .beyond(.nanoseconds, of: PrivilegeCost.subject(below, privilege)),
                        subjects: [PrivilegeCost.subject(step, privilege)]))
            }
        }

    let options: BenchOptions
    init(_ options: BenchOptions) { self.options = options }

    func measure(into results: inout Results, tell: (String) -> Void) throws {
        for cost in PrivilegeCost.cases where options.workload.map({ cost.name.contains($0) }) ?? true {
            tell(cost.name)
            try Sandbox.runHere { _ in
                try cost.measure(rounds: options.rounds) {
                    results.add($1, .nanoseconds, of: $0, under: cost.name)
                }
            }
        }
    }
}
