import CBPFShim
import PoolModel

/// A pinned array of values: one of each, which the agent writes, or with a copy for each CPU, which
/// only that CPU writes. A count is the sum of all copies.
struct PinnedArray<Value: BitwiseCopyable>: ~Copyable {
    let map: Descriptor
    private let name: String
    private let copies: Int
    private let entries: Int

    /// - Parameter kind: RPA_MAP_ARRAY or RPA_MAP_PERCPU_ARRAY.
    init(_ name: String, _ kind: rpa_map_kind, in folder: PinFolder, entries: Int32) throws(PoolError) {
        let cpuCount = try PoolError.check("libbpf_num_possible_cpus", rpa_possible_cpus())
        map = try folder.map(name, kind, valueSize: MemoryLayout<Value>.size, entries: entries)
        copies = kind == RPA_MAP_ARRAY ? 1 : Int(cpuCount)
        self.name = name
        self.entries = Int(entries)
    }

    /// The copies of an entry. The size is a multiple of 8, so there are no gaps.
    func values(at index: UInt32) throws(KernelError) -> [Value] {
        let size = MemoryLayout<Value>.size
        var bytes = [UInt8](repeating: 0, count: size * copies)
        try kernel("bpf_map_lookup_elem \(name)", rpa_map_lookup(map.number, index, &bytes))
        return bytes.withUnsafeBytes { raw in
            (0..<copies).map { raw.loadUnaligned(fromByteOffset: $0 * size, as: Value.self) }
        }
    }

    /// Reads all entries, by one call on Linux 5.13 and later, and returns what `next` makes of each entry's copies.
    func reduce<Result>(
        _ initial: Result, _ next: (inout Result, Value) -> Void
    ) throws(KernelError) -> [Result] {
        let size = MemoryLayout<Value>.size
        var bytes = [UInt8](repeating: 0, count: size * copies * entries)
        try kernel(
            "bpf_map_lookup_batch \(name)", rpa_map_lookup_all(map.number, UInt32(entries), size * copies, &bytes))
        return bytes.withUnsafeBytes { raw in
            (0..<entries).map { entry in
                var result = initial
                for copy in 0..<copies {
                    next(&result, raw.loadUnaligned(fromByteOffset: (entry * copies + copy) * size, as: Value.self))
                }
                return result
            }
        }
    }

    /// Writes the value by one call: an agent that is killed leaves the old value or the new one whole.
    func set(_ value: Value, at index: UInt32) throws(KernelError) {
        var value = value
        try kernel("bpf_map_update_elem \(name)", rpa_map_update(map.number, index, &value))
    }
}
