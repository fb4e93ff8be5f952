import CBPFShim

/// The exporters that the program saw, with what each sent: a pinned per-CPU map.
struct SightingTable: ~Copyable {
    let map: Descriptor
    private let cpuCount: Int

    init(in folder: PinFolder) throws(PlaneError) {
        let map = try folder.map(
            "sightings", RPA_MAP_PERCPU_ARRAY, valueSize: MemoryLayout<rpa_sighting>.size, entries: RPA_SIGHTINGS + 1)
        let cpuCount = try PlaneError.wrap { () throws(KernelError) in
            Int(try kernel("libbpf_num_possible_cpus", rpa_possible_cpus()))
        }
        self.map = map
        self.cpuCount = cpuCount
    }

    /// All of them, in no order, and what was not kept apart for want of room.
    func read() throws(KernelError) -> (sightings: [Sighting], untracked: SlotTraffic) {
        let size = MemoryLayout<rpa_sighting>.size
        var bytes = [UInt8](repeating: 0, count: size * cpuCount)
        var counts: [IPAddress: (runs: UInt64, bytes: UInt64)] = [:]
        var untracked = SlotTraffic()
        for index in 0...UInt32(RPA_UNTRACKED) {
            try kernel("bpf_map_lookup_elem sightings", rpa_map_lookup(map.number, index, &bytes))
            bytes.withUnsafeBytes { raw in
                for cpu in 0..<cpuCount {
                    let value = raw.loadUnaligned(fromByteOffset: cpu * size, as: rpa_sighting.self)
                    guard value.runs != 0 else { continue }
                    guard index != UInt32(RPA_UNTRACKED) else {
                        untracked.selected += value.runs
                        untracked.bytes += value.bytes
                        continue
                    }
                    let address = IPAddress.v6(value.high, value.low).unmapped
                    let sum = counts[address] ?? (0, 0)
                    counts[address] = (sum.runs + value.runs, sum.bytes + value.bytes)
                }
            }
        }
        return (counts.map { Sighting(address: $0.key, runs: $0.value.runs, bytes: $0.value.bytes) }, untracked)
    }
}
