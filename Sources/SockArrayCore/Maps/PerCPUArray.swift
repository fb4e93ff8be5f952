import CBPFShim
import PoolModel

/// A pinned array with a copy for each CPU, which only that CPU writes: a count is the
/// sum of all copies.
struct PerCPUArray<Value: BitwiseCopyable>: ~Copyable {
    let map: Descriptor
    private let name: String
    private let cpuCount: Int
    private let entries: Int

    init(_ name: String, in folder: PinFolder, entries: Int32) throws(PoolError) {
        let cpuCount = try PoolError.wrap { () throws(KernelError) in
            Int(try kernel("libbpf_num_possible_cpus", rpa_possible_cpus()))
        }
        map = try folder.map(name, RPA_MAP_PERCPU_ARRAY, valueSize: MemoryLayout<Value>.size, entries: entries)
        self.name = name
        self.entries = Int(entries)
        self.cpuCount = cpuCount
    }

    /// One value for each CPU. The size is a multiple of 8, so there are no gaps.
    func values(at index: UInt32) throws(KernelError) -> [Value] {
        let size = MemoryLayout<Value>.size
        var bytes = [UInt8](repeating: 0, count: size * cpuCount)
        try kernel("bpf_map_lookup_elem \(name)", rpa_map_lookup(map.number, index, &bytes))
        return bytes.withUnsafeBytes { raw in
            (0..<cpuCount).map { raw.loadUnaligned(fromByteOffset: $0 * size, as: Value.self) }
        }
    }

    /// Reads all entries, by one call on Linux 5.13 and later, and returns what `next` makes of each entry's values.
    func reduce<Result>(
        _ initial: Result, _ next: (inout Result, Value) -> Void
    ) throws(KernelError) -> [Result] {
        let size = MemoryLayout<Value>.size
        var bytes = [UInt8](repeating: 0, count: size * cpuCount * entries)
        try kernel(
            "bpf_map_lookup_batch \(name)",
            rpa_map_lookup_all(map.number, UInt32(entries), size * cpuCount, &bytes))
        return bytes.withUnsafeBytes { raw in
            (0..<entries).map { entry in
                var result = initial
                for cpu in 0..<cpuCount {
                    next(
                        &result, raw.loadUnaligned(fromByteOffset: (entry * cpuCount + cpu) * size, as: Value.self))
                }
                return result
            }
        }
    }
}
