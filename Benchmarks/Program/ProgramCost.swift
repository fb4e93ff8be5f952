import CBPFShim
import Glibc
import SockArrayCore

/// Nanoseconds per run of the selection program, beside an empty program, beside
/// `hash % N` + select, and beside one socket after the other, under the same
/// datagrams in the same rounds (BPF_ENABLE_STATS; the statistics' own clock is most of
/// the empty program).
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
        case exact = "agent, each run told"
    }

    /// - Parameter note: of each round but the first, which warms up.
    func measure(_ subjects: [Subject] = Subject.allCases, rounds: Int, note: (Subject, Double) -> Void) throws {
        let statistics = Descriptor(owning: try bench("BPF_ENABLE_STATS", rpa_enable_run_stats()))
        defer { _ = statistics.number }
        let off = try BenchPool("off", port: 4_739, collectors, tableSize, .off)
        let on = try BenchPool("on", port: 4_740, collectors, tableSize, Tracking())
        let exact = try BenchPool("exact", port: 4_741, collectors, tableSize, Tracking(interval: .zero))
        let references = try [
            Subject.empty: ReferenceProgram("empty", sockets: off.sockets),
            .turn: ReferenceProgram("turn", sockets: off.sockets, collectors),
            .modulo: ReferenceProgram("modulo", sockets: off.sockets, collectors),
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

/// Closed with its object.
final class ReferenceProgram {
    private let descriptor: Descriptor

    init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }

    /// One of bpf/reference_programs.c.
    convenience init(_ name: String, sockets: Int32, _ collectors: Int = 1) throws {
        self.init(
            try SelectionProgram.load(
                object: Embedded_referencePrograms.bytes, program: name,
                maps: [("sockets", sockets)] + (name == "turn" ? [("turns", -1)] : []), constants: UInt64(collectors)))
    }

    var number: Int32 { descriptor.number }
}

/// A pool of one group in the kernel, whose collectors read nothing: what doesn't fit is
/// dropped after the program ran.
final class BenchPool {
    let port: UInt16
    private(set) var plane: DataPlane
    private var members: [OfferedSocket] = []
    /// Any member's descriptor reaches the group: one more of our own.
    private let handle: Descriptor

    init(_ name: String, port: UInt16, _ collectors: Int, _ tableSize: Int?, _ tracking: Tracking) throws {
        self.port = port
        var configuration = PoolConfiguration(
            pool: name, collectors: (0..<collectors).map { .init(name: "c\($0)") },
            groups: [ReuseportGroup(name: "bench", transport: .udp, address: .v4(0), port: port)])
        configuration.tableSize = tableSize
        configuration.tracking = tracking
        plane = try DataPlane(adopting: configuration)
        for index in 0..<collectors {
            members.append(try OfferedSocket(try Self.socket(port), label: "c\(index)"))
            _ = try plane.register("c\(index)", [members[index]], owner: nil)
        }
        handle = try Self.socket(port)
    }

    var sockets: Int32 { plane.groups[0].sockets.map.number }
    var dispatcher: Int32 { plane.groups[0].dispatcher.number }
    var member: Int32 { handle.number }

    /// With the maps and constants of the pool's own.
    func program(_ name: String, of object: [UInt8]) throws -> ReferenceProgram {
        ReferenceProgram(try plane.load(name, of: object, as: plane.groups[0]))
    }

    func change(_ body: (inout PoolConfiguration) -> Void) throws {
        var configuration = plane.configuration
        body(&configuration)
        plane = try DataPlane(adopting: configuration, replacing: plane)
    }

    private static func socket(_ port: UInt16) throws -> Descriptor {
        let member = Descriptor(owning: Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0))
        var on: Int32 = 1
        setsockopt(member.number, SOL_SOCKET, SO_REUSEPORT, &on, socklen_t(MemoryLayout<Int32>.size))
        let result = Loopback.withName(0, port) { bind(member.number, $0, $1) }
        guard result == 0 else { throw BenchmarkError(description: "bind: errno \(errno)") }
        return member
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
