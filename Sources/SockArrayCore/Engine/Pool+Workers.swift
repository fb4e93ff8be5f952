import PoolModel

/// Collectors with several sockets in a group.
extension Pool {
    /// The processes of collectors that are usable and were not unregistered. A process that has several collectors
    /// is left out: which socket is for which collector is its own knowledge.
    public func livingOwnersOfUsableCollectors(act: String) throws(Failure) -> [String: ProcessIdentity] {
        let names = Set(deployment.allocation.slotOfName.keys).subtracting(try awayCollectors(act: act))
        return try livingOwners(of: names, act: act)
    }

    /// Collectors of which a worker's socket was closed and others remain, and whose sockets can be put closer
    /// together.
    public func collectorsWithGaps(act: String) throws(Failure) -> Set<String> {
        try attempt(act) { () throws(KernelError) in
            var names: Set<String> = []
            for (name, slot) in deployment.allocation.slotOfName where try deployment.hasGap(slot) {
                names.insert(name)
            }
            return names
        }
    }
}
