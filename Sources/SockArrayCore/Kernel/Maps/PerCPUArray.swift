import CBPFShim

/// A pinned array of which each CPU has a copy that it alone writes: a count is the
/// sum of all.
struct PerCPUArray<Value: BitwiseCopyable>: ~Copyable {
    let map: Descriptor
    private let name: String
    private let cpuCount: Int

    init(_ name: String, in folder: PinFolder, entries: Int32) throws(PlaneError) {
        let cpuCount = try PlaneError.wrap { () throws(KernelError) in
            Int(try kernel("libbpf_num_possible_cpus", rpa_possible_cpus()))
        }
        map = try folder.map(name, RPA_MAP_PERCPU_ARRAY, valueSize: MemoryLayout<Value>.size, entries: entries)
        self.name = name
        self.cpuCount = cpuCount
    }

    /// One value a CPU. Their size is a multiple of 8, so they lie without gaps.
    func values(at index: UInt32) throws(KernelError) -> [Value] {
        let size = MemoryLayout<Value>.size
        var bytes = [UInt8](repeating: 0, count: size * cpuCount)
        try kernel("bpf_map_lookup_elem \(name)", rpa_map_lookup(map.number, index, &bytes))
        return bytes.withUnsafeBytes { raw in
            (0..<cpuCount).map { raw.loadUnaligned(fromByteOffset: $0 * size, as: Value.self) }
        }
    }
}
