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
        "kernel, tracking off, TCP": Program(verified: 2629, translated: 2275),
        "kernel, tracking off, UDP": Program(verified: 2362, translated: 2059),
        "round-robin, tracking off, TCP": Program(verified: 2821, translated: 2472),
        "round-robin, tracking off, UDP": Program(verified: 2554, translated: 2256),
        "tracking off, TCP": Program(verified: 2344, translated: 2027),
        "tracking off, UDP": Program(verified: 2262, translated: 2018),
        "tracking off, exporters configured, TCP": Program(verified: 4159, translated: 3156),
        "tracking off, exporters configured, UDP": Program(verified: 4077, translated: 3148),
        "tracking on, TCP": Program(verified: 13707, translated: 5254),
        "tracking on, UDP": Program(verified: 14463, translated: 6065),
        "tracking on, exporters configured, TCP": Program(verified: 15500, translated: 6383),
        "tracking on, exporters configured, UDP": Program(verified: 16255, translated: 7202),
    ]

    /// Building a table in a release build, start and end of the process left out.
    static let tables = ["rendezvous": 54_500_000, "maglev": 258_000_000]
}
