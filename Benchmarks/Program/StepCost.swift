import CBPFShim
import SockArrayCore

/// What each step of a datagram's way adds, in nanoseconds per run: programs that end after
/// it, in the same rounds.
struct StepCost {
    var sources = 1_000
    /// A power of 2.
    private static let collectors = 4
    private static let datagramsPerRound = 60_000

    /// By the names of bpf/step_programs.c.
    private static let steps = [
        ("the source address is read", "read_address"), ("it is hashed", "hash_it"),
        ("a socket is selected by the hash", "select_by_hash"), ("it is the owner's of the row", "select_owner"),
        ("if its collector isn't away", "select_if_present"), ("and that is counted", "select_and_count"),
    ]
    static let empty = "empty program"
    static let whole = "the agent's program: reached by a tail call"
    static let subjects = [empty] + steps.map(\.0) + [whole]

    func measure(rounds: Int, note: (String, Double) -> Void) throws {
        let statistics = Descriptor(owning: try bench("BPF_ENABLE_STATS", rpa_enable_run_stats()))
        defer { _ = statistics.number }
        let pool = try BenchPool("off", port: 4_739, Self.collectors, nil, .off)
        let steps = try Self.steps.map { try pool.program($0.1, of: Embedded_stepPrograms.bytes) }
        let programs = try [ReferenceProgram("empty", sockets: pool.sockets)] + steps
        let load = try DatagramLoad(sources: sources, length: 200, port: pool.port)
        for round in 0...rounds {
            for (number, subject) in Self.subjects.enumerated() {
                let program = number < programs.count ? programs[number].number : pool.dispatcher
                try bench("SO_ATTACH_REUSEPORT_EBPF", rpa_attach_reuseport(pool.member, program))
                let cost = try ProgramCost.nanosecondsPerRun(of: program) {
                    try load.send(total: Self.datagramsPerRound)
                }
                if round > 0 { note(subject, cost) }
            }
        }
    }
}
