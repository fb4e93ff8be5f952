import PoolModel

/// Pools whose pins are visible in this mount namespace, with or without a running agent.
public enum PinnedPools {
    /// A folder with the pins of a pool.
    struct Found {
        let pool: String
        /// The folder above.
        let bpffs: String
        let identity: FileIdentity
        /// Names of the groups' folders.
        let groups: Set<String>

        var folder: PinFolder { PinFolder(path: "\(bpffs)/\(pool)") }
    }

    /// Whether the folder has the maps of a pool that an agent made.
    public static func hasPins(_ configuration: PoolConfiguration) -> Bool {
        PinFolder(configuration).names().contains(PoolSettings.pin)
    }

    /// The other pool that has the socket in a slot. Only this user's pools can be looked into.
    ///
    /// - Parameter own: the pool that asks.
    static func holder(of cookie: UInt64, in bpffs: String, except own: String) -> SocketHolder {
        for found in all(besides: bpffs) where found.pool != own || found.bpffs != bpffs {
            for group in found.groups {
                guard let slot = slot(of: cookie, in: found.folder.subfolder("groups").subfolder(group)) else {
                    continue
                }
                // A table that isn't there would be made.
                let name = found.folder.names().contains("tenants") ? tenant(of: slot, in: found.folder) : nil
                return .pool(found.pool, collector: name)
            }
        }
        return .unknown
    }

    private static func slot(of cookie: UInt64, in group: PinFolder) -> Slot? {
        do {
            guard let map = try group.open("sockets") else { return nil }
            return try SocketArray(map: map).cookies().first { $0.value == cookie }?.key.slot
        } catch { return nil }
    }

    private static func tenant(of slot: Slot, in folder: PinFolder) -> String? {
        do { return try TenantTable(in: folder).tenant(of: slot)?.name } catch { return nil }
    }

    /// Whether the pool certainly has no pins. False also where its folder can't be read.
    static func isNew(_ configuration: PoolConfiguration) -> Bool {
        guard let names = try? Directory.entries(of: PinFolder(configuration).path) else { return false }
        return !names.contains(PoolSettings.pin)
    }

    /// The pools in this folder and in each bpffs that is mounted here, each once. Folders that
    /// this user may not read are left out.
    static func all(besides bpffs: String) -> [Found] {
        var search = Search()
        if BPFFileSystem.isMounted(at: bpffs) { search.visit(bpffs, depth: 1) }
        for mount in MountEntry.ofThisProcess() where mount.isBPFFS { search.visit(mount.point, depth: 0) }
        return search.found
    }

    /// A walk through folders that ends, whatever other programs have pinned.
    private struct Search {
        private(set) var found: [Found] = []
        private var visited: Set<FileIdentity> = []
        private var namesLeft = 20_000
        private static let depthLimit = 4

        mutating func visit(_ path: String, depth: Int) {
            guard depth <= Self.depthLimit, namesLeft > 0 else { return }
            // A pin is no folder.
            guard let names = try? Directory.entries(of: path), !names.isEmpty,
                let identity = FileIdentity(of: path), visited.insert(identity).inserted
            else { return }
            namesLeft -= names.count
            guard names.contains(PoolSettings.pin), names.contains("groups"), let slash = path.lastIndex(of: "/") else {
                for name in names { visit("\(path)/\(name)", depth: depth + 1) }
                return
            }
            found.append(
                Found(
                    pool: String(path[path.index(after: slash)...]), bpffs: String(path[..<slash]),
                    identity: identity, groups: Set(Directory.names(in: "\(path)/groups"))))
        }
    }
}

extension PinFolder {
    /// The pool's folder.
    init(_ configuration: PoolConfiguration) { self.init(path: "\(configuration.bpffs)/\(configuration.pool)") }

    /// SO_COOKIE of the registered sockets of a group, by the name of the group's folder.
    ///
    /// Nil: the pins can't be opened.
    func registeredSockets(ofGroup name: String) -> Set<UInt64>? {
        do {
            guard let map = try subfolder("groups").subfolder(name).open("sockets") else { return [] }
            return Set(try SocketArray(map: map).cookies().values)
        } catch {
            return nil
        }
    }
}
