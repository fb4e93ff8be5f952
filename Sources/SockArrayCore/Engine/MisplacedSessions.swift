import PoolModel

/// Sessions at another collector than the one that their exporters' rows lead to. They arise when
/// sessions begin while a table is put in force, and when an agent is killed. By `on_move` the row
/// follows the session, or the session is ended.
final class MisplacedSessions {
    private let pool: ActivePool
    private let sessions: SessionIndex
    private let resetter: SessionResetter
    private let rows: RowScheduler
    /// There may be some, until `rejoin` has looked.
    private(set) var mayExist = false
    /// There are some whose exporters share a row: a table that gives these exporters rows of their
    /// own can bring them together.
    private(set) var exist = false

    init(_ pool: ActivePool, _ sessions: SessionIndex, _ resetter: SessionResetter, _ rows: RowScheduler) {
        (self.pool, self.sessions, self.resetter, self.rows) = (pool, sessions, resetter, rows)
    }

    func noteNewTable(isRunning: Bool) { (mayExist, exist) = (isRunning, false) }

    func noteMoves() { mayExist = true }

    private static let attempts = 10

    /// - Parameter formerly: by row, the slot of sessions that the program did not see begin.
    /// - Throws: EAGAIN: new sessions came each time.
    func rejoin(formerly: [Int: Slot] = [:]) throws(KernelError) {
        let deployment = pool.deployment
        guard deployment.follows else {
            mayExist = false
            return
        }
        let resets = resetter.isInForce(in: deployment)
        for _ in 0..<Self.attempts {
            let words = resets ? [] : (0..<deployment.table.rowCount).map { deployment.generation.rows[$0] }
            // After it, the SYNs that the words count are sessions.
            waitForRuns()
            let availability = try deployment.availability()
            let live = PlacedSession.all(
                of: try sessions.live(), in: deployment.table, availability, formerly: formerly)
            if resets {
                end(live, availability)
            } else {
                let misplaced = live.misplaced(availability) { BucketRow(word: words[$0]) }
                guard rows.hold(at: misplaced, expecting: words) else { continue }
            }
            exist =
                !resetter.isInForce(in: deployment)
                && live.contains {
                    availability.deliverer(of: deployment.generation.row(at: $0.row), at: $0.row) != $0.slot
                }
            mayExist = false
            return
        }
        throw KernelError(operation: "bring rows to their sessions", errno: KernelError.again)
    }

    /// The rows of sessions that the kernel does not end stay with these sessions.
    private func end(_ live: [PlacedSession], _ availability: SlotAvailability) {
        let generation = pool.deployment.generation
        var moves = RowMoves()
        for session in live {
            let present = generation.row(at: session.row)
            guard availability.deliverer(of: present, at: session.row) != session.slot else { continue }
            do throws(KernelError) {
                try resetter.end(session.connection)
            } catch {
                moves.hold(session.row, at: session.slot, rows.waiting[session.row] ?? present)
            }
        }
        rows.add(moves)
    }
}

/// Ends TCP sessions for `on_move: reset`, so that a router that reconnects at once finds its new
/// collector.
final class SessionResetter {
    /// Why the last session that had to end did not (errno); nil: it did.
    private(set) var refusal: Int32?
    private var ended = 0

    /// Rows move at once, and their sessions are ended after it. False: rows wait for their sessions.
    func isInForce(in deployment: Deployment) -> Bool {
        guard deployment.configuration.onMove == .reset, deployment.table.assignment.hasAffinity else { return false }
        if refusal == nil, !TCPSession.mayDestroy { refusal = KernelError.notPermitted }
        return ![KernelError.notPermitted, KernelError.notSupported].contains(refusal)
    }

    /// A session that has ended by itself counts neither as ended nor as a refusal.
    func end(_ connection: TCPSession) throws(KernelError) {
        do throws(KernelError) {
            guard try connection.destroy() else { return }
            refusal = nil
            ended += 1
        } catch {
            refusal = error.errno
            throw error
        }
    }

    /// A reload may bring another `on_move`.
    func forgetRefusal() { refusal = nil }

    /// Sessions that were ended since the last call.
    func takeEnded() -> Int {
        defer { ended = 0 }
        return ended
    }
}
