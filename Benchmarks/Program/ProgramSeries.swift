import CBPFShim
import SockArrayCore

/// The nanoseconds per run of several programs of one object, with the same datagrams in the same
/// rounds, and with the maps and constants of a pool of 4 collectors without tracking.
struct ProgramSeries {
    /// The ELF object with the BPF programs.
    let object: [UInt8]
    /// The label of each program in the results, and its name in the object.
    let programs: [(subject: String, name: String)]
    /// The label of the pool's own program, which runs after the others; nil: it isn't measured.
    var own: String?
    /// The maps of the object besides the pool's.
    var maps: (BenchPool) throws -> [(name: String, map: KernelObject)] = { _ in [] }
    var sources = 1_000
    private static let datagramsPerRound = 60_000

    /// The first program of each round.
    static let empty = "empty program"
    var subjects: [String] { [Self.empty] + programs.map(\.subject) + (own.map { [$0] } ?? []) }

    func measure(rounds: Int, note: (String, Double) -> Void) throws {
        let statistics = Descriptor(owning: try bench("BPF_ENABLE_STATS", rpa_enable_run_stats()))
        defer { _ = statistics.number }
        let pool = try BenchPool("series", port: 4_739, 4, nil, .off)
        let maps = try self.maps(pool)
        let loaded = try programs.map { try pool.program($0.name, of: object, maps.map { ($0.name, $0.map.number) }) }
        let all = try [pool.reference("empty")] + loaded
        let load = try DatagramLoad(sources: sources, length: 200, port: pool.port)
        for round in 0...rounds {
            for (index, subject) in subjects.enumerated() {
                let program = index < all.count ? all[index].number : pool.dispatcher
                try bench("SO_ATTACH_REUSEPORT_EBPF", rpa_attach_reuseport(pool.member, program))
                let cost = try ProgramCost.nanosecondsPerRun(of: program) {
                    try load.send(total: Self.datagramsPerRound)
                }
                if round > 0 { note(subject, cost) }
            }
        }
    }
}

extension ProgramSeries {
    /// The path of a datagram: each program is one step longer than the previous one.
    static func steps(sources: Int) -> ProgramSeries {
        ProgramSeries(
            object: Embedded_stepPrograms.bytes,
            programs: [
                ("the source address is read", "read_address"), ("it is hashed", "hash_it"),
                ("a socket is selected by the hash", "select_by_hash"),
                ("it is the owner's of the row", "select_owner"),
                ("if its collector isn't away", "select_if_present"), ("and that is counted", "select_and_count"),
            ], own: "the agent's: all that, behind a tail call", sources: sources)
    }

    static let asItIs = "as it is"

    /// The last step, in variants that each do one thing in another way.
    static func ideas(sources: Int) -> ProgramSeries {
        ProgramSeries(
            object: Embedded_ideaPrograms.bytes,
            programs: [
                (asItIs, "as_it_is"), ("no owners of 1 byte, only rows of 8", "rows_alone"),
                ("owners of 2 bytes", "owners_of_16_bits"),
                ("owners in a map that isn't mmapable", "owners_not_mmapable"),
                ("settings in global data, not in a map", "settings_as_global_data"),
                ("counts that CPUs share, by atomic additions", "shared_counts"),
                ("a map for each count", "counts_apart"), ("the clock is read in each run", "clock_in_each_run"),
            ],
            maps: { pool in
                [
                    ("short_owners", try pool.copyOfOwners(bits: 16, isMmapable: true)),
                    ("unmapped_owners", try pool.copyOfOwners(bits: 8, isMmapable: false)),
                    ("shared_traffic", try Self.array("shared", 8 * 4, 256)),
                    ("runs", try Self.array("runs", 8, 256, RPA_MAP_PERCPU_ARRAY)),
                    ("bytes", try Self.array("bytes", 8, 256, RPA_MAP_PERCPU_ARRAY)),
                ]
            }, sources: sources)
    }

    static let hashesPerRun = 64.0
    static let noHash = "no hash"
    static func hashes() -> ProgramSeries {
        ProgramSeries(
            object: Embedded_hashPrograms.bytes,
            programs: [
                (noHash, "no_hash"), ("multilinear and Mix13: the agent's", "multilinear_mix13"),
                ("the same of an IPv4 address", "multilinear_mix13_ipv4"), ("Mix13 alone, without a key", "mix13"),
                ("jhash (lookup3)", "jhash"), ("MurmurHash3, 32 bits", "murmur3"), ("FNV-1a", "fnv1a"),
                ("SipHash-1-3", "siphash_1_3"), ("SipHash-2-4", "siphash_2_4"),
            ])
    }

    private static func array(
        _ name: String, _ size: UInt32, _ entries: UInt32, _ kind: rpa_map_kind = RPA_MAP_ARRAY
    ) throws -> KernelObject {
        KernelObject(
            Descriptor(owning: try bench("bpf_map_create \(name)", rpa_map_create(kind, name, size, entries, -1))))
    }
}

extension BenchPool {
    /// A copy of the owners of all rows, with `bits` bits for each row.
    fileprivate func copyOfOwners(bits: Int, isMmapable: Bool) throws -> KernelObject {
        let rows = Descriptor(owning: rpa_open_pin("/sys/fs/bpf/reuseport-agent/series/generation-1/rows"))
        let perWord = 64 / bits
        let count = kernel.table.tableSize / perWord
        let kind = isMmapable ? RPA_MAP_MMAPABLE_ARRAY : RPA_MAP_ARRAY
        let copy = Descriptor(
            owning: try bench("bpf_map_create owners", rpa_map_create(kind, "owners", 8, UInt32(count), -1)))
        for place in 0..<count {
            var word: UInt64 = 0
            for part in 0..<perWord {
                var row: UInt64 = 0
                try bench("bpf_map_lookup_elem rows", rpa_map_lookup(rows.number, UInt32(place * perWord + part), &row))
                word |= (row & UInt64(RPA_NO_SLOT)) << UInt64(part * bits)
            }
            try bench("bpf_map_update_elem owners", rpa_map_update(copy.number, UInt32(place), &word))
        }
        return KernelObject(copy)
    }
}
