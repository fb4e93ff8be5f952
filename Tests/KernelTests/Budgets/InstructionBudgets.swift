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
        "kernel, tracking off, TCP": Program(verified: 4767, translated: 3957),
        "kernel, tracking off, UDP": Program(verified: 4502, translated: 3741),
        "round-robin, tracking off, TCP": Program(verified: 4959, translated: 4154),
        "round-robin, tracking off, UDP": Program(verified: 4694, translated: 3938),
        "tracking off, TCP": Program(verified: 4495, translated: 3706),
        "tracking off, UDP": Program(verified: 4412, translated: 3704),
        "tracking off, exporters configured, TCP": Program(verified: 6349, translated: 4883),
        "tracking off, exporters configured, UDP": Program(verified: 6272, translated: 4880),
        "tracking on, TCP": Program(verified: 5781, translated: 4677),
        "tracking on, UDP": Program(verified: 7508, translated: 6015),
        "tracking on, exporters configured, TCP": Program(verified: 7640, translated: 5854),
        "tracking on, exporters configured, UDP": Program(verified: 9411, translated: 7209),
    ]

    /// Of a run, before the kernel's verifier replaces any: what the interpreter executed, and how many of it
    /// were calls of helpers.
    struct Run: Equatable {
        var instructions: Int
        var calls: Int
    }

    /// Before a collector could have several sockets, a datagram took 151 without tracking and 234 with it.
    static let runs: [String: Run] = [
        "tracking off": Run(instructions: 152, calls: 6),
        "tracking on": Run(instructions: 217, calls: 8),
        "4 workers by exporter": Run(instructions: 241, calls: 8),
        "4 workers by flow": Run(instructions: 206, calls: 7),
        "4 workers by packet": Run(instructions: 216, calls: 8),
        "4 workers by CPU": Run(instructions: 210, calls: 8),
    ]

    /// Building a table in a release build, start and end of the process left out.
    static let tables = ["rendezvous": 54_500_000, "maglev": 258_000_000]
}
