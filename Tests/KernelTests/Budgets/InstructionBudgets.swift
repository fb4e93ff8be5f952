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
        "kernel, tracking off, TCP": Program(verified: 2631, translated: 2277),
        "kernel, tracking off, UDP": Program(verified: 2364, translated: 2061),
        "round-robin, tracking off, TCP": Program(verified: 2823, translated: 2474),
        "round-robin, tracking off, UDP": Program(verified: 2556, translated: 2258),
        "tracking off, TCP": Program(verified: 2346, translated: 2029),
        "tracking off, UDP": Program(verified: 2264, translated: 2020),
        "tracking off, exporters configured, TCP": Program(verified: 4161, translated: 3158),
        "tracking off, exporters configured, UDP": Program(verified: 4079, translated: 3150),
        "tracking on, TCP": Program(verified: 13709, translated: 5256),
        "tracking on, UDP": Program(verified: 14465, translated: 6067),
        "tracking on, exporters configured, TCP": Program(verified: 15502, translated: 6385),
        "tracking on, exporters configured, UDP": Program(verified: 16257, translated: 7204),
    ]

    /// Building a table in a release build, start and end of the process left out.
    static let tables = ["rendezvous": 54_500_000, "maglev": 258_000_000]
}
