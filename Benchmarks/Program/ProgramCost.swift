import CBPFShim
import Glibc
import PoolModel
import SockArrayCore

/// Nanoseconds per run of the selection program, compared with an empty program, with
/// `hash % N` + select, and with one socket after the other, with the same datagrams in the
/// same rounds (BPF_ENABLE_STATS; most of the empty program's time is the statistics' own clock).
struct ProgramCost {
    var sources = 256
    var collectors = 4
    var tableSize: Int?
    var datagramsPerRound = 60_000

    enum Subject: String, CaseIterable {
        case empty = "empty program"
        case turn = "round robin by packet"
        case modulo = "hash % N + select"
        case off = "agent, tracking off"
        case on = "agent"
        case exact = "agent, each run notified"
    }

    /// - Parameter note: called for each round but the first, which warms up.
    func measure(_ subjects: [Subject] = Subject.allCases, rounds: Int, note: (Subject, Double) -> Void) throws {
        let statistics = Descriptor(owning: try bench("BPF_ENABLE_STATS", rpa_enable_run_stats()))
        defer { _ = statistics.number }
        let off = try BenchPool("off", port: 4_739, collectors, tableSize, .off)
        let on = try BenchPool("on", port: 4_740, collectors, tableSize, Tracking())
        let exact = try BenchPool("exact", port: 4_741, collectors, tableSize, Tracking(interval: .zero))
        let references = try [
            Subject.empty: off.reference("empty"), .turn: off.reference("turn"), .modulo: off.reference("modulo"),
        ]
        for round in 0...rounds {
            for subject in subjects {
                let pool = subject == .on ? on : subject == .exact ? exact : off
                let program = references[subject]?.number ?? pool.dispatcher
                try bench("SO_ATTACH_REUSEPORT_EBPF", rpa_attach_reuseport(pool.member, program))
                let load = try DatagramLoad(sources: sources, length: 200, port: pool.port)
                if round == 0 { try load.sendFromEach() }
                let cost = try Self.nanosecondsPerRun(of: program) { try load.send(total: datagramsPerRound) }
                if round > 0 { note(subject, cost) }
            }
        }
    }

    static func nanosecondsPerRun(of program: Int32, _ send: () throws -> Void) throws -> Double {
        let before = try statistics(of: program)
        try send()
        let after = try statistics(of: program)
        guard after.runs > before.runs else { throw BenchmarkError(description: "the program has not run") }
        return Double(after.nanoseconds - before.nanoseconds) / Double(after.runs - before.runs)
    }

    private static func statistics(of program: Int32) throws -> (nanoseconds: UInt64, runs: UInt64) {
        var (nanoseconds, runs): (UInt64, UInt64) = (0, 0)
        try bench("bpf_obj_get_info_by_fd", rpa_run_stats(program, &nanoseconds, &runs))
        return (nanoseconds, runs)
    }
}

/// A benchmark that could not be run.
struct BenchmarkError: Error, CustomStringConvertible {
    let description: String
}

@discardableResult
func bench(_ operation: String, _ result: Int32) throws -> Int32 {
    guard result >= 0 else { throw BenchmarkError(description: "\(operation): errno \(errno)") }
    return result
}
