/// Which worker each socket of a slot becomes, in one group.
///
/// Workers are numbered without gaps: the program chooses among the first `span` entries, and a gap's share goes to
/// the entry after it. A socket keeps its number as far as that allows.
package struct WorkerEntries: Equatable, Sendable {
    /// A socket that the slot is to have.
    package struct Socket: Equatable, Sendable {
        /// SO_COOKIE.
        package var cookie: UInt64
        /// SO_INCOMING_CPU; nil: not set.
        package var cpu: Int?
        /// The worker that it is now.
        package var worker: Int?
        /// It can be put elsewhere: its descriptor was offered.
        package var isMovable: Bool

        package init(cookie: UInt64, cpu: Int? = nil, worker: Int? = nil, isMovable: Bool = true) {
            (self.cookie, self.cpu, self.worker, self.isMovable) = (cookie, cpu, worker, isMovable)
        }
    }

    /// The worker of each socket, in the order in which they were given.
    package let workers: [Int]
    /// Entries among which the program chooses, at least 1.
    package let span: Int

    /// - Parameters:
    ///   - sockets: at least one. More than `SocketEntry.workerLimit` give a span that is too large.
    ///   - choice: `cpu`: a socket with SO_INCOMING_CPU n becomes a worker whose number is n modulo the span.
    package init(_ sockets: [Socket], by choice: WorkerChoice) {
        let byCPU = choice == .cpu && sockets.allSatisfy(\.isMovable) ? Self.arrangedByCPU(sockets) : nil
        workers = byCPU?.workers ?? Self.arranged(sockets)
        span = byCPU?.span ?? (workers.max() ?? 0) + 1
    }

    private static func arranged(_ sockets: [Socket]) -> [Int] {
        // A single socket stays where it is: while it moves, the slot would have none.
        if sockets.count == 1 { return [sockets[0].worker ?? 0] }
        func stays(_ socket: Socket) -> Bool {
            socket.worker.map { $0 < sockets.count || !socket.isMovable } ?? false
        }
        return filling(sockets, sockets.map { stays($0) ? $0.worker : nil })
    }

    /// The least span that gives each CPU a worker of its own. Sockets without a CPU fill what is left.
    ///
    /// - Returns: nil: there is none, or no socket has a CPU.
    private static func arrangedByCPU(_ sockets: [Socket]) -> (workers: [Int], span: Int)? {
        let cpus = sockets.compactMap(\.cpu)
        guard !cpus.isEmpty, (2...SocketEntry.workerLimit).contains(sockets.count),
            let span = (sockets.count...SocketEntry.workerLimit).first(where: { span in
                Set(cpus.map { $0 % span }).count == cpus.count
            })
        else { return nil }
        return (filling(sockets, sockets.map { $0.cpu.map { $0 % span } }), span)
    }

    /// Gives the sockets without a worker the least numbers that are free.
    private static func filling(_ sockets: [Socket], _ fixed: [Int?]) -> [Int] {
        let taken = Set(fixed.compactMap(\.self))
        var free = (0..<SocketEntry.workerLimit + sockets.count).lazy.filter { !taken.contains($0) }.makeIterator()
        return fixed.map { $0 ?? free.next()! }
    }
}
