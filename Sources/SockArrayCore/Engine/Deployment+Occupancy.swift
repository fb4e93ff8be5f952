import PoolModel

/// What a registration must know of the slots and of the groups' sockets.
extension Deployment {
    func occupancy(
        of slot: Slot, tenant: Tenant?, _ offered: Set<UInt64>
    ) throws(KernelError) -> RegistrationPlan.Occupancy {
        let tenants = maps.tenants.all()
        // A slot gets its heir's name when the collector before has left it.
        let departed = Set(allocation.freed.filter { tenants[$0]?.drain == .departed })
        var names = allocation.nameOfSlot
        for slot in departed { names[slot] = tenants[slot]?.name }
        var cookies: [[SocketEntry: UInt64]] = []
        var sockets: [[BoundSocket]] = []
        for group in groups {
            sockets.append(try members(atPortOf: group))
            var held: [SocketEntry: UInt64] = [:]
            for slot in names.keys {
                for (entry, cookie) in try self.sockets(of: slot, in: group) { held[entry] = cookie }
            }
            cookies.append(held)
        }
        return RegistrationPlan.Occupancy(
            cookies: cookies, ownerIsGone: tenant?.owner.map { !$0.isAlive } ?? false, names: names,
            departed: departed, owner: tenant?.owner,
            others: tenants.compactMapValues(\.owner).filter { holder in
                cookies.contains { $0.contains { $0.key.slot == holder.key && offered.contains($0.value) } }
                    && holder.value.isAlive
            }, sockets: sockets)
    }
}
