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
        "kernel, tracking off, TCP": Program(verified: 2583, translated: 2232),
        "kernel, tracking off, UDP": Program(verified: 2318, translated: 2016),
        "round-robin, tracking off, TCP": Program(verified: 2775, translated: 2429),
        "round-robin, tracking off, UDP": Program(verified: 2510, translated: 2213),
        "tracking off, TCP": Program(verified: 2317, translated: 1983),
        "tracking off, UDP": Program(verified: 2239, translated: 1975),
        "tracking off, exporters configured, TCP": Program(verified: 4131, translated: 3112),
        "tracking off, exporters configured, UDP": Program(verified: 4054, translated: 3105),
        "tracking on, TCP": Program(verified: 13680, translated: 5210),
        "tracking on, UDP": Program(verified: 14434, translated: 6022),
        "tracking on, exporters configured, TCP": Program(verified: 15472, translated: 6339),
        "tracking on, exporters configured, UDP": Program(verified: 16226, translated: 7159),
    ]

    /// Building a table in a release build, start and end of the process left out.
    static let tables = ["rendezvous": 54_500_000, "maglev": 258_000_000]
}
