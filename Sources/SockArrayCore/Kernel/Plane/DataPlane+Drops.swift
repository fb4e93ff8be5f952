/// The drops of sockets are noted whenever the sockets are listed, and before one is taken
/// out of its slot, for they end with the socket.
extension DataPlane {
    /// - Parameter members: the group's sockets, as they were listed just now.
    func noteDrops(in plane: GroupPlane, _ members: [BoundSocket]) throws(KernelError) {
        // Most have none, and then nothing is asked of the kernel.
        let dropping = members.filter { $0.drops != 0 }
        guard !dropping.isEmpty else { return }
        for slot in tenants.all().keys {
            guard let cookie = try plane.sockets.cookie(at: slot),
                let socket = dropping.first(where: { $0.cookie == cookie })
            else { continue }
            try plane.note(UInt32(truncatingIfNeeded: socket.drops), of: cookie, at: slot)
        }
    }

    /// Before the slot's sockets are taken out. Where the kernel doesn't list them, what
    /// they dropped since the last time isn't counted.
    func noteDrops(of slot: Slot) {
        for plane in groups {
            guard let cookie = try? plane.sockets.cookie(at: slot),
                let members = try? SocketDump.members(of: plane.group.transport, port: plane.group.port),
                let socket = members.first(where: { $0.cookie == cookie })
            else { continue }
            try? plane.note(UInt32(truncatingIfNeeded: socket.drops), of: cookie, at: slot)
        }
    }
}
