import CBPFShim
import PoolModel

/// Takes single groups of a pool out of the kernel.
enum GroupRemoval {
    /// Detaches the program and removes the pins. Where no socket of the group can
    /// be reached, the program stays attached without anything to go on to, and
    /// the kernel chooses.
    ///
    /// - Parameter names: of folders of pins.
    static func remove(_ names: [String], in pool: PinFolder) throws(KernelError) {
        guard !names.isEmpty else { return }
        _ = detach(names, in: pool)
        for name in names { try pool.subfolder("groups").subfolder(name).remove() }
    }

    /// Takes a program away that is of no generation any more, before its parity
    /// comes into force again.
    static func forgetPrograms(ofParity parity: Int, of names: [String], in pool: PinFolder) {
        for name in names {
            guard let programs = try? pool.subfolder("groups").subfolder(name).open("programs") else { continue }
            rpa_map_delete(programs.number, UInt32(parity))
        }
    }

    /// Through sockets borrowed from the owners that the pool knows.
    ///
    /// - Returns: groups with live sockets, none of which could be reached.
    static func detach(_ names: [String], in pool: PinFolder) -> [String] {
        let groups = pool.subfolder("groups")
        var cookies: [String: Set<UInt64>] = [:]
        for name in names {
            guard let map = try? groups.subfolder(name).open("sockets") else { continue }
            let sockets = SocketArray(map: map)
            for index in 0..<UInt16(SlotAllocation.capacity) {
                if let cookie = try? sockets.cookie(at: Slot(index)) { cookies[name, default: []].insert(cookie) }
            }
        }
        for owner in owners(in: pool) {
            let sought = Set(cookies.values.joined())
            guard let process = try? OtherProcess(pid: owner.pid),
                let sockets = try? process.sockets(borrowing: { sought.contains($0.cookie) })
            else { continue }
            for socket in sockets.borrowed {
                for (name, members) in cookies where members.contains(socket.offer.socket.cookie) {
                    if rpa_detach_reuseport(socket.descriptor.number) >= 0 { cookies[name] = nil }
                }
            }
        }
        return cookies.keys.sorted()
    }

    private static func owners(in pool: PinFolder) -> [ProcessIdentity] {
        guard (try? pool.open("tenants")) != nil, let tenants = try? TenantTable(in: pool).all() else {
            return []
        }
        return tenants.values.compactMap(\.owner).filter(\.isAlive)
    }
}

/// The counts of a group that left the configuration. Pinned by the kernel's number of
/// the map, they are there until their bytes are in events on the disk, whichever agent
/// makes these.
final class DepartedTraffic {
    /// Of the folder of pins that the group had.
    let name: String
    /// The kernel's number of the map.
    let source: UInt32
    let table: TrafficTable

    private init?(_ entry: String, in pool: PinFolder) {
        let folder = Self.folder(in: pool).subfolder(entry)
        let parts = entry.split(separator: "-", maxSplits: 1)
        guard parts.count == 2, let source = UInt32(parts[0]), (try? folder.open("traffic")) != nil,
            (try? folder.open("bases")) != nil, let table = try? TrafficTable(in: folder)
        else { return nil }
        (name, self.source) = (String(parts[1]), source)
        self.table = table
    }

    private static func folder(in pool: PinFolder) -> PinFolder { pool.subfolder("departed") }
    private var entry: String { "\(source)-\(name)" }

    /// Pins what these groups count beside their own pins, which may then go.
    static func keep(_ names: [String], in pool: PinFolder) throws(PoolError) {
        for name in names {
            guard let source = source(ofGroup: name, in: pool) else { continue }
            let former = pool.subfolder("groups").subfolder(name)
            let folder = folder(in: pool).subfolder("\(source)-\(name)")
            try PoolError.wrap { () throws(KernelError) in try folder.make() }
            // The counts last: without them it is as if there were nothing.
            for pin in ["bases", "traffic"] where try folder.open(pin) == nil {
                guard let map = try former.open(pin) else { break }
                try folder.pin(map, as: pin)
            }
        }
    }

    /// What is kept, of agents before too; without those that are in the configuration
    /// (again), or weren't kept whole.
    static func all(in pool: PinFolder, besides groups: [PoolGroup]) throws(KernelError) -> [DepartedTraffic] {
        let present = Set(try groups.map { group throws(KernelError) in try group.traffic.identity() })
        var all: [DepartedTraffic] = []
        for entry in folder(in: pool).names() {
            if let kept = DepartedTraffic(entry, in: pool), !present.contains(kept.source) {
                all.append(kept)
            } else {
                remove(entry, in: pool)
            }
        }
        return all
    }

    /// Where nobody asks for them.
    static func removeAll(in pool: PinFolder) {
        for entry in folder(in: pool).names() { remove(entry, in: pool) }
    }

    /// Its group's pins are still there: the next adoption removes them, and keeps the
    /// counts again.
    func mayCount(in pool: PinFolder) -> Bool { Self.source(ofGroup: name, in: pool) == source }

    func remove(in pool: PinFolder) { Self.remove(entry, in: pool) }

    private static func remove(_ entry: String, in pool: PinFolder) {
        let folder = folder(in: pool)
        rpa_remove_file("\(folder.path)/\(entry)/traffic")
        try? folder.subfolder(entry).remove()
        // Only if it was the last one.
        rpa_remove_folder(folder.path)
    }

    private static func source(ofGroup name: String, in pool: PinFolder) -> UInt32? {
        var identity: UInt32 = 0
        guard let map = try? pool.subfolder("groups").subfolder(name).open("traffic"),
            rpa_map_id(map.number, &identity) >= 0
        else { return nil }
        return identity
    }
}
