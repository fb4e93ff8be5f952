import CBPFShim

/// Sockets whose collectors ended or lost their slot, by SO_COOKIE: a process that has one
/// may have inherited it. A pinned map that the agent writes for its successor.
struct OrphanTable {
    private let words: MappedArray
    /// More sockets than a pool can lose during the life of a child process.
    private static let capacity = 1_024

    init(in folder: PinFolder) throws(PoolError) {
        words = try MappedArray.pinned("orphans", in: folder, entries: Self.capacity, wordsPerEntry: 1)
    }

    func contains(_ cookie: UInt64) -> Bool { (0..<Self.capacity).contains { words[$0] == cookie } }

    var cookies: Set<UInt64> { Set((0..<Self.capacity).lazy.map { words[$0] }.filter { $0 != 0 }) }

    /// - Parameter living: all sockets of the groups; entries of other sockets are removed.
    func add(_ orphans: Set<UInt64>, among living: Set<UInt64>) {
        for index in 0..<Self.capacity where words[index] != 0 && !living.contains(words[index]) { words[index] = 0 }
        var free = (0..<Self.capacity).lazy.filter { words[$0] == 0 }.makeIterator()
        for cookie in orphans.subtracting(cookies).intersection(living) {
            guard let index = free.next() else { return }
            words[index] = cookie
        }
    }

    /// Removes sockets that a collector has again.
    func remove(_ cookies: Set<UInt64>) {
        for index in 0..<Self.capacity where cookies.contains(words[index]) { words[index] = 0 }
    }
}
