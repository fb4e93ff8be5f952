/// How a pool's collectors share its traffic.
public enum Assignment: String, CaseIterable, Sendable, Codable {
    /// An exporter's bucket goes to the highest weighted random score.
    case rendezvous
    /// An exporter's bucket goes by the table of the Maglev paper.
    case maglev
    /// Each run goes to the next collector: for collectors that need no affinity.
    case roundRobin = "round-robin"
    /// Each run goes by the kernel's 4-tuple hash: flows stay, exporters are scattered.
    case kernel

    /// One exporter's streams meet in one collector.
    public var hasAffinity: Bool { self == .rendezvous || self == .maglev }

    /// The table size where the configuration names none. Of assignments without
    /// affinity it follows from the weights.
    public var defaultTableSize: Int { self == .maglev ? 65_537 : BucketRow.defaultTableSize }

    /// Names the assignment in pinned maps (rpa_shape).
    var code: UInt64 {
        switch self {
        case .rendezvous: 1
        case .maglev: 2
        case .roundRobin: 3
        case .kernel: 4
        }
    }
}
