import CBPFShim
import Glibc
import SockArrayCore

/// Nanoseconds per run of the selection program, beside an empty program and
/// beside `hash % N` + select, over the same sockets in the same rounds
/// (BPF_ENABLE_STATS; the statistics' own clock is most of the empty program).
struct ProgramCost {
    var sourceCount = 256
    var collectorCount = 4
    var rounds = 9
    /// All rounds together come to over a million datagrams for each program.
    var datagramsPerRound = 120_000

    /// For each program, without the round that warms up.
    var totalDatagrams: Int { rounds * datagramsPerRound }

    struct Subject {
        let name: String
        /// Nanoseconds per run, one for each round.
        var costs: [Double] = []
    }

    /// Empty, `hash % N` + select, and the agent's program, in this order.
    func measure() throws -> [Subject] {
        let statistics = Descriptor(owning: try bench("BPF_ENABLE_STATS", rpa_enable_run_stats()))
        defer { _ = statistics.number }
        let group = ReuseportGroup(name: "ipfix", transport: .udp, address: .v4(0), port: 4_739)
        let plane = try DataPlane(
            adopting: PoolConfiguration(
                pool: "bench", collectors: (1...collectorCount).map { .init(name: "c\($0)") }, groups: [group]))
        var members: [OfferedSocket] = []
        for index in 1...collectorCount {
            let socket = try LoopbackUDP.collector(port: group.port)
            members.append(try OfferedSocket(socket, label: "c\(index)"))
            _ = try plane.register("c\(index)", [members[index - 1]], owner: nil)
        }
        let sockets = plane.groups[0].sockets.map.number
        let empty = try reference("empty", sockets)
        let modulo = try reference("modulo", sockets)
        let programs = [empty.number, modulo.number, plane.groups[0].dispatcher.number]
        var subjects = ["empty program", "hash % N + select", "reuseport-agent"].map { Subject(name: $0) }
        var routers = LoopbackRouters(count: sourceCount)
        // Any member's descriptor reaches the group: one more of our own.
        let handle = try LoopbackUDP.collector(port: group.port)
        for round in 0...rounds {
            for (index, program) in programs.enumerated() {
                try bench("SO_ATTACH_REUSEPORT_EBPF", rpa_attach_reuseport(handle.number, program))
                let cost = try nanosecondsPerRun(of: program, from: &routers, to: group.port)
                if round > 0 { subjects[index].costs.append(cost) }  // the first one warms up
            }
        }
        return subjects
    }

    func nanosecondsPerRun(
        of program: Int32, from routers: inout LoopbackRouters, to port: UInt16
    ) throws -> Double {
        let before = try statistics(of: program)
        for _ in 0..<datagramsPerRound { try routers.sendOne(200, to: port) }
        let after = try statistics(of: program)
        return Double(after.nanoseconds - before.nanoseconds) / Double(after.runs - before.runs)
    }

    private func statistics(of program: Int32) throws -> (nanoseconds: UInt64, runs: UInt64) {
        var nanoseconds: UInt64 = 0
        var runs: UInt64 = 0
        try bench("bpf_obj_get_info_by_fd", rpa_run_stats(program, &nanoseconds, &runs))
        return (nanoseconds, runs)
    }

    private func reference(_ name: String, _ sockets: Int32) throws -> Descriptor {
        try SelectionProgram.load(
            object: Embedded_referencePrograms.bytes, program: name, maps: [("sockets", sockets)],
            constants: UInt64(collectorCount))
    }
}

/// A benchmark that could not be run.
struct BenchmarkError: Error, CustomStringConvertible {
    let description: String
}

@discardableResult
func bench(_ operation: String, _ result: Int32) throws -> Int32 {
    guard result >= 0 else { throw BenchmarkError(description: "\(operation) failed: errno \(-result)") }
    return result
}
