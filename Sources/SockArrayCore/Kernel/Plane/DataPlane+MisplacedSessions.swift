/// Sessions that are elsewhere than their exporters' rows lead.
extension DataPlane {
    /// Rows don't wait for sessions: these are ended when the row has moved, so that
    /// a router that reconnects at once finds its new collector.
    var cutsSessions: Bool {
        guard configuration.onMove == .reset, table.assignment.hasAffinity else { return false }
        if audit.resetRefusal == nil, !TCPSession.mayDestroy { audit.resetRefusal = KernelError.notPermitted }
        return ![KernelError.notPermitted, KernelError.notSupported].contains(audit.resetRefusal)
    }

    /// Looks for strays, and brings each together with its datagrams: by `on_move`
    /// the row goes to the session, or the session is ended. They come about when
    /// sessions begin while a table is put in force, and when an agent is killed.
    ///
    /// - Parameter formerly: by row, where sessions are that the program didn't see begin.
    func rejoinMisplacedSessions(formerly: [Int: Slot] = [:]) throws(KernelError) {
        guard follows else {
            mayHaveMisplacedSessions = false
            return
        }
        let cuts = cutsSessions
        for _ in 0..<Self.attempts {
            let words = cuts ? [] : (0..<table.rowCount).map { generation.rows[$0] }
            // The SYNs that the words count are sessions then.
            waitForRuns()
            let availability = try self.availability()
            let live = places(of: try liveSessions(), availability, formerly)
            let isDone = cuts ? end(live, availability) : hold(live, availability, words)
            guard isDone else { continue }
            hasMisplacedSessions =
                !cutsSessions
                && live.contains { availability.deliverer(of: generation.row(at: $0.row), at: $0.row) != $0.place }
            mayHaveMisplacedSessions = false
            return
        }
        throw KernelError(operation: "bring rows to their sessions", errno: KernelError.again)
    }

    private static let attempts = 10

    private typealias PlacedSession = (connection: TCPSession, row: Int, place: Slot)

    private func places(
        of live: [LiveSession], _ availability: SlotAvailability, _ formerly: [Int: Slot]
    ) -> [PlacedSession] {
        live.compactMap { session in
            guard let row = table.row(of: session.connection.peer), let place = session.slot ?? formerly[row],
                availability[place] == .usable
            else { return nil }
            return (session.connection, row, place)
        }
    }

    /// - Returns: false if a SYN came to a row since its word was read.
    private func hold(_ live: [PlacedSession], _ availability: SlotAvailability, _ words: [UInt64]) -> Bool {
        let places = elsewhere(live.map { ($0.row, $0.place) }, availability) { BucketRow(word: words[$0]) }
        guard !places.isEmpty else { return true }
        return settings.writingRows {
            places.reduce(true) { isDone, held in
                let (index, slot) = held
                let desired = waiting[index] ?? BucketRow(word: words[index])
                guard generation.replace(index, expected: words[index], with: desired.putting(first: slot))
                else { return false }
                waiting[index] = desired
                return isDone
            }
        }
    }

    /// Those that the kernel doesn't end keep their datagrams.
    private func end(_ live: [PlacedSession], _ availability: SlotAvailability) -> Bool {
        var moves = RowMoves()
        for (connection, row, place) in live
        where availability.deliverer(of: generation.row(at: row), at: row) != place {
            do {
                // One that has ended by itself is no refusal.
                if try connection.destroy() {
                    audit.resetRefusal = nil
                    audit.endedSessions += 1
                }
            } catch {
                audit.resetRefusal = error.errno
                moves.hold(row, at: place, waiting[row] ?? generation.row(at: row))
            }
        }
        waiting.merge(moves.waiting) { $1 }
        write(moves)
        return true
    }

    /// Rows none of whose sessions is where the row leads: where most of them are.
    func elsewhere(
        _ live: some Sequence<(row: Int, place: Slot)>, _ availability: SlotAvailability, than row: (Int) -> BucketRow
    ) -> [Int: Slot] {
        var counts: [Int: [Slot: Int]] = [:]
        for (index, slot) in live { counts[index, default: [:]][slot, default: 0] += 1 }
        var places: [Int: Slot] = [:]
        for (index, bySlot) in counts {
            if let leads = availability.deliverer(of: row(index), at: index), bySlot[leads] != nil { continue }
            places[index] = bySlot.max { ($0.value, $1.key) < ($1.value, $0.key) }!.key
        }
        return places
    }

    /// The sessions by their exporters' rows, of collectors that are there.
    func rowsAndPlaces(of live: [LiveSession], _ availability: SlotAvailability) -> [(row: Int, place: Slot)] {
        places(of: live, availability, [:]).map { ($0.row, $0.place) }
    }
}
