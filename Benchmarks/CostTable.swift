/// The program beside its references, ratio first.
struct CostTable {
    let text: String

    /// - Parameter subjects: empty, `hash % N` + select, and the agent's program.
    init(_ subjects: [ProgramCost.Subject]) {
        let spreads = subjects.map { Spread($0.costs) }
        let own = spreads.map { $0.median - spreads[0].median }
        var lines = [
            "  over the empty program: \(Spread.hundredths(own[2] / own[1])) x hash % N + select (target: at most 1.5)",
            "",
        ]
        for (subject, spread) in zip(subjects, spreads) {
            let name = subject.name + String(repeating: " ", count: 20 - subject.name.count)
            lines.append("  \(name) \(spread.text) ns per run; median (least - most) of \(subject.costs.count) rounds")
        }
        text = lines.joined(separator: "\n") + "\n"
    }
}
