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
        "kernel, tracking off, TCP": Program(verified: 4778, translated: 3964),
        "kernel, tracking off, UDP": Program(verified: 4511, translated: 3748),
        "round-robin, tracking off, TCP": Program(verified: 4970, translated: 4161),
        "round-robin, tracking off, UDP": Program(verified: 4703, translated: 3945),
        "tracking off, TCP": Program(verified: 4511, translated: 3716),
        "tracking off, UDP": Program(verified: 4423, translated: 3707),
        "tracking off, exporters configured, TCP": Program(verified: 6326, translated: 4845),
        "tracking off, exporters configured, UDP": Program(verified: 6238, translated: 4837),
        "tracking on, TCP": Program(verified: 15856, translated: 6943),
        "tracking on, UDP": Program(verified: 16627, translated: 7754),
        "tracking on, exporters configured, TCP": Program(verified: 17664, translated: 8072),
        "tracking on, exporters configured, UDP": Program(verified: 18419, translated: 8891),
    ]

    /// Building a table in a release build, start and end of the process left out.
    static let tables = ["rendezvous": 54_500_000, "maglev": 258_000_000]
}
