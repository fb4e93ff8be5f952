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
        "kernel, tracking off, TCP": Program(verified: 2599, translated: 2249),
        "kernel, tracking off, UDP": Program(verified: 2334, translated: 2033),
        "round-robin, tracking off, TCP": Program(verified: 2791, translated: 2446),
        "round-robin, tracking off, UDP": Program(verified: 2526, translated: 2230),
        "tracking off, TCP": Program(verified: 2333, translated: 2000),
        "tracking off, UDP": Program(verified: 2255, translated: 1992),
        "tracking off, exporters configured, TCP": Program(verified: 4147, translated: 3129),
        "tracking off, exporters configured, UDP": Program(verified: 4070, translated: 3122),
        "tracking on, TCP": Program(verified: 13696, translated: 5227),
        "tracking on, UDP": Program(verified: 14450, translated: 6039),
        "tracking on, exporters configured, TCP": Program(verified: 15488, translated: 6356),
        "tracking on, exporters configured, UDP": Program(verified: 16242, translated: 7176),
    ]

    /// Building a table in a release build, start and end of the process left out.
    static let tables = ["rendezvous": 54_500_000, "maglev": 258_000_000]
}
