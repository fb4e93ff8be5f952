import PoolModel

/// Pools whose pins are in a folder of a bpffs, with or without a running agent.
public enum PinnedPools {
    /// The pools, each with the names of its groups' folders.
    public static func groups(in bpffs: String) -> [(pool: String, groups: Set<String>)] {
        Directory.names(in: bpffs).filter { !$0.hasPrefix(".") }.map { pool in
            (pool, Set(PinFolder(path: "\(bpffs)/\(pool)/groups").names()))
        }
    }

    /// Whether the folder has the maps of a pool that an agent made.
    public static func hasPins(_ configuration: PoolConfiguration) -> Bool {
        PinFolder(path: "\(configuration.bpffs)/\(configuration.pool)").names().contains(PoolSettings.pin)
    }

    /// Name of the group's folder.
    public static func name(of group: ReuseportGroup) -> String { group.pinName }
}
