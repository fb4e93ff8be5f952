import CBPFShim

/// A collector is usable as a whole, and alive when its process is: what the agent
/// learns of either ends a tenancy before the program comes across it.
extension DataPlane {
    /// SO_COOKIE of every registered socket, and its slot.
    public func registeredSockets(act: String) throws(Failure) -> [UInt64: Slot] {
        var sockets: [UInt64: Slot] = [:]
        do {
            for slot in try tenants.all().keys {
                for group in groups {
                    if let cookie = try group.sockets.cookie(at: slot) { sockets[cookie] = slot }
                }
            }
        } catch {
            throw PlaneError.call(error).failure(act: act, pool: configuration.pool)
        }
        return sockets
    }

    /// The processes that the registered sockets belong to, as far as they are known.
    public func owners(act: String) throws(Failure) -> [Slot: ProcessIdentity] {
        do {
            return try tenants.all().compactMapValues(\.owner)
        } catch {
            throw PlaneError.call(error).failure(act: act, pool: configuration.pool)
        }
    }

    /// The slot's collector has lost a socket, or ended: the hold clock starts, in
    /// all groups. What is left of a collector that has ended is taken out: a child
    /// that inherited it swallows connections that nobody accepts.
    ///
    /// - Returns: false if that was known already.
    @discardableResult
    public func noteLoss(of slot: Slot, hasEnded: Bool, act: String) throws(Failure) -> Bool {
        do {
            let words = slots[slot]
            let isNews = words.tenancy != 0 && words.vacantFor == nil
            if isNews { slots.markVacant(slot) }
            if hasEnded {
                for group in groups { try group.sockets.clear(slot) }
            }
            try release()
            return isNews
        } catch {
            throw PlaneError.call(error).failure(act: act, pool: configuration.pool)
        }
    }

    /// The collector that has the slot, or had it when it left the configuration.
    public func name(of slot: Slot) -> String {
        allocation.nameOfSlot[slot] ?? (try? tenants.tenant(of: slot))??.name ?? "slot \(slot.index)"
    }
}
