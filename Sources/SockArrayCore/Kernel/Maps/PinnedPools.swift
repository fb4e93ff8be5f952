/// Pools whose pins are in a folder of a bpffs, with or without a running agent.
public enum PinnedPools {
    /// Each with the names of its groups' folders.
    public static func groups(in bpffs: String) -> [(pool: String, groups: Set<String>)] {
        Directory.names(in: bpffs).filter { !$0.hasPrefix(".") }.map { pool in
            (pool, Set(PinFolder(path: "\(bpffs)/\(pool)/groups").names()))
        }
    }

    /// An agent has made the pool's maps, and they are still there.
    public static func hasPins(_ configuration: PoolConfiguration) -> Bool {
        PinFolder(path: "\(configuration.bpffs)/\(configuration.pool)").names().contains(PoolSettings.pin)
    }

    /// The folder of such a group.
    public static func name(of group: ReuseportGroup) -> String { group.pinName }
}
