/// How a pool's collectors share its traffic.
public enum Assignment: String, CaseIterable, Sendable, Codable {
    /// An exporter's bucket goes to the collector with the highest weighted random score.
    case rendezvous
    /// An exporter's bucket goes to the collector that the table of the Maglev paper names.
    case maglev
    /// Each run goes to the next collector: for collectors that need no affinity.
    case roundRobin = "round-robin"
    /// Each run goes by the kernel's 4-tuple hash: a flow keeps its collector, an exporter's flows are scattered.
    case kernel

    /// All streams of one exporter go to one collector.
    public var hasAffinity: Bool { self == .rendezvous || self == .maglev }

    /// The table size if the configuration names none. Without affinity, the size follows
    /// from the weights.
    public var defaultTableSize: Int { self == .maglev ? 65_537 : BucketRow.defaultTableSize }

    /// Identifies the assignment in pinned maps (rpa_shape).
    package var code: UInt64 {
        switch self {
        case .rendezvous: 1
        case .maglev: 2
        case .roundRobin: 3
        case .kernel: 4
        }
    }
}
