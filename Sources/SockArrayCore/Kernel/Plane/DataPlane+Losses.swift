import CBPFShim

/// A collector is usable as a whole, and alive when its process is: what the agent
/// learns of either ends a tenancy before the program comes across it.
extension DataPlane {
    /// SO_COOKIE of every registered socket, and its slot.
    public func registeredSockets(act: String) throws(Failure) -> [UInt64: Slot] {
        var sockets: [UInt64: Slot] = [:]
        do {
            for slot in tenants.all().keys {
                for group in groups {
                    if let cookie = try group.sockets.cookie(at: slot) { sockets[cookie] = slot }
                }
            }
        } catch {
            throw PlaneError.call(error).failure(act: act, pool: configuration.pool)
        }
        return sockets
    }

    /// Configured collectors that are not there, by name.
    public func awayCollectors(act: String) throws(Failure) -> Set<String> {
        do {
            let standings = try self.standings()
            return Set(allocation.slotOfName.filter { standings[$0.value] != .usable }.keys)
        } catch {
            throw PlaneError.call(error).failure(act: act, pool: configuration.pool)
        }
    }

    /// Members of the pool's groups that no slot has, and that aren't the agent's own.
    public func strangers(act: String) throws(Failure) -> [BoundSocket] {
        let registered = try registeredSockets(act: act)
        var strangers: [BoundSocket] = []
        do {
            for group in groups {
                strangers += try SocketDump.members(of: group.group.transport, port: group.group.port).filter {
                    member in
                    group.group.hasMember(member) && registered[member.cookie] == nil
                        && !orphans.contains(member.cookie)
                        && member.cookie != group.placeholder?.cookie
                }
            }
        } catch {
            throw PlaneError.call(error).failure(act: act, pool: configuration.pool)
        }
        return strangers
    }

    /// Slots whose collectors have lost a socket, and `noteLoss` doesn't know yet.
    public func lostSlots(act: String) throws(Failure) -> [Slot] {
        do {
            var lost: [Slot] = []
            for slot in tenants.all().keys.sorted() where isNews(slot) {
                switch try state(of: slot) {
                case .holding, .failed: lost.append(slot)
                case .empty, .absent, .active, .draining: break
                }
            }
            return lost
        } catch {
            throw PlaneError.call(error).failure(act: act, pool: configuration.pool)
        }
    }

    /// That the slot's collector is gone. The program may know already.
    private func isNews(_ slot: Slot) -> Bool {
        let tenancy = slots[slot].tenancy
        return tenancy != 0 && notedLosses[slot] != tenancy && !slots.isAbandoned(slot)
    }

    /// The processes that the registered sockets belong to, as far as they are known.
    public var owners: [Slot: ProcessIdentity] { tenants.all().compactMapValues(\.owner) }

    /// The slot's collector has lost a socket, or ended: the hold clock starts, in
    /// all groups. What is left of a collector that has ended is taken out: a child
    /// that inherited it swallows connections that nobody accepts.
    ///
    /// - Returns: false if that was noted already.
    @discardableResult
    public func noteLoss(of slot: Slot, hasEnded: Bool, act: String) throws(Failure) -> Bool {
        do {
            let words = slots[slot]
            var isNews = self.isNews(slot)
            // What was told lost may have been replaced meanwhile.
            if isNews, !hasEnded, words.vacantFor == nil { isNews = try !isWhole(slot) }
            if isNews {
                if words.vacantFor == nil { slots.markVacant(slot) }
                notedLosses[slot] = words.tenancy
                revision += 1
            }
            if hasEnded {
                for group in groups {
                    if let cookie = try group.sockets.cookie(at: slot) { orphans.insert(cookie) }
                    try group.sockets.clear(slot)
                }
                audit.registered.forget(slot)
            }
            try release()
            try freeEmptied()
            return isNews
        } catch {
            throw PlaneError.call(error).failure(act: act, pool: configuration.pool)
        }
    }

    /// Its collector has ended, and a child of that has it still.
    public func isOrphan(_ socket: OfferedSocket) -> Bool { orphans.contains(socket.offer.socket.cookie) }

    /// Rows that are not yet what they are to be.
    public var waitingRowCount: Int { waiting.count }

    /// Rows that go to a collector that is there when sessions elsewhere have ended.
    public func rowsWaitingForSessions(act: String) throws(Failure) -> Int {
        do {
            let standings = try self.standings()
            return waiting.count { index, desired in desired.owner.map { standings[$0] == .usable } ?? false }
        } catch {
            throw PlaneError.call(error).failure(act: act, pool: configuration.pool)
        }
    }

    /// Lets rows go that wait for nothing any more.
    ///
    /// - Parameter settling: see `release`.
    public func releaseRows(settling: Bool = false, act: String) throws(Failure) {
        do {
            try release(settling: settling)
            try freeEmptied()
        } catch {
            throw PlaneError.call(error).failure(act: act, pool: configuration.pool)
        }
    }

    /// The collector that has the slot, or had it when it left the configuration.
    public func name(of slot: Slot) -> String {
        allocation.nameOfSlot[slot] ?? tenants.tenant(of: slot)?.name ?? "slot \(slot.index)"
    }
}
