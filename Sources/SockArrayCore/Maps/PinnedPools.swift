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

    /// The other pool of the folder that has the socket in a slot. Only this user's pools can be looked into.
    ///
    /// - Parameter own: the pool that asks.
    static func holder(of cookie: UInt64, in bpffs: String, except own: String) -> SocketHolder {
        for (pool, groups) in groups(in: bpffs) where pool != own {
            let folder = PinFolder(path: "\(bpffs)/\(pool)")
            for group in groups {
                guard let slot = slot(of: cookie, in: folder.subfolder("groups").subfolder(group)) else { continue }
                // A table that isn't there would be made.
                let name = folder.names().contains("tenants") ? tenant(of: slot, in: folder) : nil
                return .pool(pool, collector: name)
            }
        }
        return .unknown
    }

    private static func slot(of cookie: UInt64, in group: PinFolder) -> Slot? {
        do {
            guard let map = try group.open("sockets") else { return nil }
            return SocketArray(map: map).slot(of: cookie)
        } catch { return nil }
    }

    private static func tenant(of slot: Slot, in folder: PinFolder) -> String? {
        do { return try TenantTable(in: folder).tenant(of: slot)?.name } catch { return nil }
    }
}
