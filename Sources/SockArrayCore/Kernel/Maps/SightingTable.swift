import CBPFShim

/// The exporters that the program saw, with what each sent: a pinned array with a
/// block for each CPU.
struct SightingTable: ~Copyable {
    let map: Descriptor
    private let cpuCount: Int
    private static let blockSize = Int(RPA_SIGHTINGS) + 1

    init(in folder: PinFolder) throws(PlaneError) {
        let cpuCount = try PlaneError.wrap { () throws(KernelError) in
            Int(try kernel("libbpf_num_possible_cpus", rpa_possible_cpus()))
        }
        map = try folder.map(
            "sightings", RPA_MAP_MMAPABLE_ARRAY, valueSize: MemoryLayout<rpa_sighting>.size,
            entries: Int32(Self.blockSize * cpuCount))
        self.cpuCount = cpuCount
    }

    /// All of them, in no order, and what was not kept apart for want of room.
    func read() throws(KernelError) -> (sightings: [Sighting], untracked: SlotTraffic) {
        // Mapped for as long as it takes: its pages count as the agent's meanwhile.
        let count = Self.blockSize * cpuCount
        var memory: UnsafeMutableRawPointer?
        try kernel(
            "mmap of sightings", rpa_map_memory(map.number, count * MemoryLayout<rpa_sighting>.stride, &memory))
        defer { rpa_unmap(memory, count * MemoryLayout<rpa_sighting>.stride) }
        var counts: [IPAddress: (runs: UInt64, bytes: UInt64)] = [:]
        var untracked = SlotTraffic()
        let entries = UnsafeRawBufferPointer(start: memory, count: count * MemoryLayout<rpa_sighting>.stride)
        for index in 0..<count {
            let entry = entries.load(
                fromByteOffset: index * MemoryLayout<rpa_sighting>.stride, as: rpa_sighting.self)
            guard entry.runs != 0 else { continue }
            guard index % Self.blockSize != Int(RPA_UNTRACKED) else {
                untracked.selected += entry.runs
                untracked.bytes += entry.bytes
                continue
            }
            let address = IPAddress.v6(entry.high, entry.low).unmapped
            let sum = counts[address] ?? (0, 0)
            counts[address] = (sum.runs + entry.runs, sum.bytes + entry.bytes)
        }
        return (counts.map { Sighting(address: $0.key, runs: $0.value.runs, bytes: $0.value.bytes) }, untracked)
    }
}
