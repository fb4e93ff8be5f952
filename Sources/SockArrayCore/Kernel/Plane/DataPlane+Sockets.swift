/// What the other parts of a plane share.
extension DataPlane {
    /// What the kernel refuses becomes the failure of the act.
    func attempt<Result>(
        _ act: String, _ body: () throws(KernelError) -> Result
    ) throws(Failure) -> Result {
        do { return try body() } catch { throw PlaneError.call(error).failure(act: act, pool: configuration.pool) }
    }

    /// The groups that the slot has a socket in, with its SO_COOKIE.
    func sockets(of slot: Slot) throws(KernelError) -> [(group: GroupPlane, cookie: UInt64)] {
        var sockets: [(GroupPlane, UInt64)] = []
        for group in groups {
            if let cookie = try group.sockets.cookie(at: slot) { sockets.append((group, cookie)) }
        }
        return sockets
    }

    /// Takes the slot's sockets out of all groups.
    func clearSockets(of slot: Slot) throws(KernelError) {
        noteDrops(of: slot)
        for (_, cookie) in try sockets(of: slot) { audit.takenOut[cookie] = name(of: slot) }
        for group in groups { try group.sockets.clear(slot) }
        audit.registered.forget(slot)
    }
}
