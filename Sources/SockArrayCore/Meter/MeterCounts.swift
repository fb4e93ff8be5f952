import CBPFShim
import PoolModel

/// The counts of a meter, a line for each CPU.
struct MeterCounts {
    private let words: MappedArray
    private let lines: Int

    init(_ words: MappedArray) {
        self.words = words
        lines = max(0, Int(rpa_possible_cpus()))
    }

    /// The counts of a meter that another agent made.
    init(_ map: consuming Descriptor) throws(KernelError) {
        let lines = Int(try kernel("libbpf_num_possible_cpus", rpa_possible_cpus()))
        self.init(try MappedArray(map: map, wordCount: lines * Self.wordsPerLine))
    }

    static let wordsPerLine = MemoryLayout<rpa_meter>.size / 8

    /// The kernel's number of the map.
    func source() throws(KernelError) -> UInt32 {
        var source: UInt32 = 0
        try kernel("bpf_map_get_info meter", rpa_map_id(words.map.number, &source))
        return source
    }

    func counters(
        _ series: (UsageSeries.Direction, UsageSeries.Network) -> UsageSeries?
    ) throws(KernelError) -> [UsageReading.Counter] {
        let source = try source()
        return (0..<Int(RPA_METER_CLASSES)).map { kind in
            let total = (0..<lines).reduce(UInt64(0)) { $0 + words[$1 * Self.wordsPerLine + kind] }
            let direction: UsageSeries.Direction = kind & Int(RPA_EGRESS) == 0 ? .ingress : .egress
            let network: UsageSeries.Network = kind & Int(RPA_EXTERNAL) == 0 ? .internal : .external
            return UsageReading.Counter(
                source: source, index: UInt32(kind), series: series(direction, network), total: total)
        }
    }
}
