/// What may be spent, in instructions: no machine's noise changes them. Who has to raise
/// one says in the commit what it buys; who has made something cheaper lowers it.
enum InstructionBudgets {
    /// Of a selection program: what the verifier went through (it follows every path
    /// there is, so that a step more on any of them shows), and what is left of the
    /// program when it has taken out what its constants rule out.
    struct Program: Equatable {
        var verified: Int
        var translated: Int
    }

    /// They hold for one verifier: other kernels inline other helpers.
    static let kernel = "6.18."

    static let programs: [String: Program] = [
        "kernel, tracking off, TCP": Program(verified: 2429, translated: 2108),
        "kernel, tracking off, UDP": Program(verified: 1550, translated: 1303),
        "round-robin, tracking off, TCP": Program(verified: 2587, translated: 2318),
        "round-robin, tracking off, UDP": Program(verified: 1708, translated: 1513),
        "tracking off, TCP": Program(verified: 3782, translated: 1706),
        "tracking off, UDP": Program(verified: 2568, translated: 1446),
        "tracking off, exporters configured, TCP": Program(verified: 6317, translated: 1925),
        "tracking off, exporters configured, UDP": Program(verified: 5079, translated: 1657),
        "tracking on, TCP": Program(verified: 17685, translated: 5183),
        "tracking on, UDP": Program(verified: 14634, translated: 4434),
        "tracking on, exporters configured, TCP": Program(verified: 20344, translated: 5402),
        "tracking on, exporters configured, UDP": Program(verified: 17159, translated: 4645),
    ]

    /// Building a table in a release build, start and end of the process left out.
    static let tables = ["rendezvous": 54_500_000, "maglev": 258_000_000]
}
