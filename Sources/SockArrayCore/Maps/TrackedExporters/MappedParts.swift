import CBPFShim
import Glibc
import PoolModel

/// Reads a BPF array a few pages at a time, because mapped pages count as the agent's
/// memory.
enum MappedParts {
    private static let partLength = 1 << 20

    static func each<Value: BitwiseCopyable>(
        of map: borrowing Descriptor, as type: Value.Type, _ range: Range<Int>, _ body: (Int, Value) -> Void
    ) throws(KernelError) {
        let stride = MemoryLayout<Value>.stride
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        var index = range.lowerBound
        while index < range.upperBound {
            let offset = index * stride / page * page
            let end = min(range.upperBound * stride, offset + partLength)
            var memory: UnsafeRawPointer?
            try kernel("mmap of a BPF array", rpa_map_part(map.number, offset, end - offset, &memory))
            defer { rpa_unmap(UnsafeMutableRawPointer(mutating: memory), end - offset) }
            // An entry that crosses the end of the part belongs to the next part.
            while index < range.upperBound, (index + 1) * stride <= end {
                body(index, memory!.load(fromByteOffset: index * stride - offset, as: type))
                index += 1
            }
        }
    }
}
