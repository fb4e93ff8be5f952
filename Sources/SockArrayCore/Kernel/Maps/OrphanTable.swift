import CBPFShim

/// Sockets that their collectors had when they ended, by SO_COOKIE: who has one now
/// has inherited it. A pinned map that the agent writes for its successor.
struct OrphanTable {
    private let words: MappedArray
    /// More than a pool can lose in the time that a child lives on.
    private static let capacity = 1_024

    init(in folder: PinFolder) throws(PlaneError) {
        words = try MappedArray.pinned("orphans", in: folder, entries: Self.capacity, wordsPerEntry: 1)
    }

    func contains(_ cookie: UInt64) -> Bool { cookies.contains(cookie) }

    var cookies: Set<UInt64> { Set((0..<Self.capacity).lazy.map { words[$0] }.filter { $0 != 0 }) }

    /// - Parameter living: all sockets of the groups; those that are gone are forgotten.
    func add(_ orphans: Set<UInt64>, among living: Set<UInt64>) {
        let all = cookies.union(orphans).intersection(living).sorted()
        // Where there are too many, the newest ones stay: cookies count upwards on each CPU.
        for (index, cookie) in all.suffix(Self.capacity).enumerated() { words[index] = cookie }
        for index in min(all.count, Self.capacity)..<Self.capacity { words[index] = 0 }
    }
}
