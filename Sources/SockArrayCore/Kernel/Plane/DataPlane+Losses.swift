/// A collector is usable as a whole, and alive when its process is: what the agent
/// learns of either ends a registrationNumber before the program comes across it.
extension DataPlane {
    /// SO_COOKIE of every registered socket, and its slot.
    public func registeredSockets(act: String) throws(Failure) -> [UInt64: Slot] {
        try attempt(act) { () throws(KernelError) in
            var slots: [UInt64: Slot] = [:]
            for slot in tenants.all().keys {
                for (_, cookie) in try sockets(of: slot) { slots[cookie] = slot }
            }
            return slots
        }
    }

    /// Configured collectors that are not there, by name.
    public func awayCollectors(act: String) throws(Failure) -> Set<String> {
        let availability = try attempt(act, availability)
        return Set(allocation.slotOfName.filter { availability[$0.value] != .usable }.keys)
    }

    /// Members of the pool's groups that no slot has, and that aren't the agent's own.
    public func strangers(act: String) throws(Failure) -> [BoundSocket] {
        let registered = try registeredSockets(act: act)
        let known = orphans.cookies.union(groups.compactMap(\.placeholder?.cookie)).union(registered.keys)
        return try attempt(act, members).filter { !known.contains($0.cookie) }
    }

    /// Sockets of the pool's groups, whoever has them.
    private func members() throws(KernelError) -> [BoundSocket] {
        var members: [BoundSocket] = []
        for group in groups.map(\.group) {
            for member in try SocketDump.members(of: group.transport, port: group.port) where group.hasMember(member) {
                members.append(member)
            }
        }
        return members
    }

    /// Slots whose collectors have lost a socket, and `noteLoss` doesn't know yet.
    public func lostSlots(act: String) throws(Failure) -> [Slot] {
        try attempt(act) { () throws(KernelError) in
            var lost: [Slot] = []
            for slot in tenants.all().keys.sorted() where isUnreported(slot) {
                switch try state(of: slot) {
                case .holding, .failed: lost.append(slot)
                case .empty, .absent, .active, .draining: break
                }
            }
            return lost
        }
    }

    /// That the slot's collector is gone. The program may know already.
    private func isUnreported(_ slot: Slot) -> Bool {
        let registrationNumber = slots[slot].registrationNumber
        return registrationNumber != 0 && notedLosses[slot] != registrationNumber && !slots.isAbandoned(slot)
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
        try attempt(act) { () throws(KernelError) in
            let words = slots[slot]
            var isUnreported = self.isUnreported(slot)
            // What was told lost may have been replaced meanwhile.
            if isUnreported, !hasEnded, words.downFor == nil { isUnreported = try !isWhole(slot) }
            if isUnreported {
                if words.downFor == nil { slots.markDown(slot) }
                revision += 1
            }
            if hasEnded {
                try noteOrphans(Set(sockets(of: slot).map(\.cookie)))
                try clearSockets(of: slot)
            }
            try release()
            // Not before: what fails above is done again, and told then.
            if isUnreported { notedLosses[slot] = words.registrationNumber }
            return isUnreported
        }
    }

    /// Sockets that leave their slot: who has one later has inherited it.
    func noteOrphans(_ cookies: Set<UInt64>) throws(KernelError) {
        if cookies.isEmpty { return }
        orphans.add(cookies, among: try Set(members().map(\.cookie)))
    }

    /// Its exporters wait for its collector.
    public func isHeld(_ slot: Slot, act: String) throws(Failure) -> Bool {
        try attempt(act, availability)[slot] == .held
    }

    /// Its collector has ended, or lost its slot, and a child of that may have it still.
    public func isOrphan(_ socket: SocketFacts) -> Bool { orphans.contains(socket.cookie) }

    /// There is something for `releaseRows` to look at now and then.
    public var isWaiting: Bool { !waiting.isEmpty || interruption != nil || mayHaveMisplacedSessions }

    /// Rows that go to a collector that is there when sessions elsewhere have ended.
    public func rowsWaitingForSessions(act: String) throws(Failure) -> Int {
        let availability = try attempt(act, availability)
        return waiting.values.count { $0.owner.map { availability[$0] == .usable } ?? false }
    }

    /// Lets rows go that wait for nothing any more, and does what an interruption left.
    ///
    /// - Parameter settling: see `release`.
    public func releaseRows(settling: Bool = false, act: String) throws(Failure) {
        try attempt(act) { () throws(KernelError) in
            if interruption != nil || mayHaveMisplacedSessions {
                try finish()
                interruption = nil
            }
            try release(settling: settling)
        }
    }

    /// The collector that has the slot, or had it when it left the configuration.
    public func name(of slot: Slot) -> String {
        allocation.nameOfSlot[slot] ?? tenants.tenant(of: slot)?.name ?? "slot \(slot.index)"
    }
}
