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
