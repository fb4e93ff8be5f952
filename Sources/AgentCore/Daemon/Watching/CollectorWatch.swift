import Glibc
import Logging
import PoolModel
import PoolReport
import SockArrayCore

/// Waits for sockets that close (sock_diag's destroy events) and for processes that end (pidfds), and
/// takes their collectors out of use.
final class CollectorWatch: EventSource {
    private let pool: RunningPool
    private let log: Logger
    private let events: SocketCloseEvents
    private var ports: Set<UInt16>
    /// Whether ends of sessions are reported, too: some row waits for one.
    private var hearsSessions = false
    /// Slots by the cookies of their registered sockets.
    private var slots: [UInt64: Slot] = [:]
    private var owners: [Slot: WatchedProcess] = [:]
    private var seen: Int?
    /// When to check the rows that wait for sessions again, in case an event was missed.
    private var nextLook: ContinuousClock.Instant?
    /// After a failure, nothing happens until `nextLook`.
    private var hasFailed = false
    private static let lookPause = Duration.seconds(1)
    private let act = "watch the collectors"

    init(pool: RunningPool, log: Logger) throws(Failure) {
        self.pool = pool
        self.log = log
        ports = Self.ports(of: pool)
        do {
            events = try SocketCloseEvents(ports: ports, withSessions: false)
        } catch {
            let refusal = Refusal.ofSocketDiag(error, .current())
            throw Failure.openFiles(act: act, errno: error.errno)
                ?? Failure(
                    .privilege, act: act, cause: refusal.cause, errno: error.errno, remedy: refusal.remedy)
        }
    }

    var waits: [pollfd] {
        polled = hasFailed ? [] : owners.map { ($0.key, $0.value) }
        if hasFailed { return [] }
        return ([events.number] + polled.map(\.process.number)).map { pollfd(reading: $0) }
    }

    /// The processes that `waits` named; `owners` may have changed since.
    private var polled: [(slot: Slot, process: WatchedProcess)] = []

    var nextDeadline: ContinuousClock.Instant? {
        if seen != pool.revision || hearsSessions != pool.kernel.isWaiting, !hasFailed { return .distantPast }
        return [nextLook, pool.losses.deadline, pool.kernel.keptSocketsDeadline].compactMap(\.self).min()
    }

    func serve(_ results: ArraySlice<pollfd>, now: ContinuousClock.Instant) {
        defer { pool.losses.report(now: now) }
        if hasFailed, let nextLook, now < nextLook { return }
        do {
            // A request in the same turn may have filled a slot again: events about its previous sockets
            // no longer matter.
            if seen != pool.revision { try lookAtAll() }
            // The end of a process must be known before its sockets are reported as closed.
            for ((slot, process), result) in zip(polled, results.dropFirst()) where result.revents != 0 {
                try noteEnd(of: process, in: slot)
            }
            try takeEvents()
            try giveUpKeptSockets(now: now)
            if seen != pool.revision { try lookAtAll() }
            let isDue = hearSessions() || nextLook.isDue(at: now)
            if isDue { try pool.kernel.releaseRows(settling: true, act: act) }
            // The pause doesn't depend on the number of events.
            if isDue || nextLook == nil { nextLook = now + Self.lookPause }
            if !pool.kernel.isWaiting { nextLook = nil }
            let ended = pool.kernel.takeEndedSessions()
            if ended > 0 {
                log.notice(
                    "on_move reset ended \(ended) BMP sessions, so that their routers connect to the new collectors")
            }
            hasFailed = false
        } catch {
            log.error("\(error)")
            nextLook = now + Self.lookPause
            hasFailed = true
            // The failed item may be missing from the lists above.
            seen = nil
        }
    }

    /// Sets the owner of the slot's sockets, if a client passed its pidfd; the agent may be unable to find
    /// that process by its pid.
    func adopt(_ process: WatchedProcess?, of slot: Slot) { owners[slot] = process }

    private func takeEvents() throws(Failure) {
        var mayRelease = false
        while let event = next() {
            switch event {
            case .overrun: seen = nil
            case .closed(let socket):
                if let slot = slots.removeValue(forKey: socket.cookie) {
                    // The socket belongs to the slot's collector or to its predecessor: `noteLoss` checks.
                    try noteLoss(of: slot, "has lost \(socket.endpoint)", hasEnded: false, owners[slot])
                } else if pool.kernel.isAwaited(socket) {
                    mayRelease = true
                }
            }
        }
        if mayRelease { try pool.kernel.releaseRows(act: act) }
    }

    /// Turns the reports of ended sessions on or off.
    ///
    /// - Returns: true if they are on from now on: earlier ends were missed.
    private func hearSessions() -> Bool {
        guard hearsSessions != pool.kernel.isWaiting else { return false }
        hearsSessions = pool.kernel.isWaiting
        listen()
        return hearsSessions
    }

    private func listen() {
        do { try events.watch(ports: ports, withSessions: hearsSessions) } catch { log.error("\(error)") }
    }

    private func next() -> SocketCloseEvents.Event? {
        do {
            return try events.next()
        } catch {
            log.error("\(error)")
            return nil
        }
    }

    /// Reads what is registered, and notes what was lost since the last look.
    private func lookAtAll() throws(Failure) {
        let kernel = pool.kernel
        let revision = pool.revision
        let ports = Self.ports(of: pool)
        if ports != self.ports {
            self.ports = ports
            listen()
        }
        slots = try kernel.registeredSockets(act: act)
        let identities = kernel.owners
        owners = owners.filter { slot, owner in identities[slot].map { owner.identity == $0 } ?? owner.isHidden }
        for (slot, identity) in identities where owners[slot] == nil {
            guard let process = try watched(identity) else {
                try noteEnd(ofOwnerOf: slot, nil, identity)
                continue
            }
            owners[slot] = process
        }
        if let interruption = kernel.interruption { log.error("\(interruption); the agent tries again") }
        for slot in try kernel.lostSlots(act: act) {
            let owner = owners[slot]
            try noteLoss(of: slot, "has lost a socket", hasEnded: owner?.hasEnded ?? false, owner)
        }
        seen = revision
    }

    private func watched(_ identity: ProcessIdentity) throws(Failure) -> WatchedProcess? {
        do {
            return try WatchedProcess(identity)
        } catch {
            throw Failure(
                .privilege, act: act, cause: "\(error.operation) failed", errno: error.errno,
                remedy: "raise the agent's limit of open files (LimitNOFILE=); the agent tries again")
        }
    }

    private func noteEnd(of owner: WatchedProcess, in slot: Slot) throws(Failure) {
        // Another process may have the slot by now.
        guard owners[slot] === owner else { return }
        owners[slot] = nil
        if let identity = owner.identity, pool.kernel.owners[slot] != identity { return }
        let name = pool.kernel.name(of: slot)
        guard try noteEnd(ofOwnerOf: slot, owner, owner.identity) else { return }
        if !pool.losses.report(of: name) {
            log.of(name, key: "ended").info("collector \(name): \(Self.words(for: owner.identity)) has ended")
        }
    }

    /// - Returns: false if another process keeps the collector's sockets: they stay in the slot for a while.
    @discardableResult
    private func noteEnd(
        ofOwnerOf slot: Slot, _ process: WatchedProcess?, _ identity: ProcessIdentity?
    ) throws(Failure) -> Bool {
        guard let (keeper, isNew) = try pool.kernel.keepSockets(of: slot, now: .now, act: act) else {
            try noteLoss(of: slot, "has ended", hasEnded: true, process, identity)
            return true
        }
        if isNew {
            let name = pool.kernel.name(of: slot)
            let hold = pool.kernel.configuration.restartHold
            log.of(name, key: "kept").notice(
                """
                collector \(name) has ended (\(Self.words(for: identity))), and process \(keeper.pid) keeps its sockets: \
                what comes for its exporters is queued there for \(hold)
                """)
        }
        return false
    }

    private func giveUpKeptSockets(now: ContinuousClock.Instant) throws(Failure) {
        guard pool.kernel.keptSocketsDeadline.isDue(at: now) else { return }
        for name in try pool.kernel.giveUpKeptSockets(now: now, act: act) {
            log.of(name, key: "given up").warning(
                """
                collector \(name) did not come back in time to read the sockets that another process keeps: its exporters \
                are at other collectors
                """)
        }
    }

    /// Takes the slot's collector out of use. The loss is reported unless it was noted before.
    ///
    /// - Parameters:
    ///   - process: the collector's process; nil if it is unknown, or ended before it could be watched.
    ///   - identity: of the process; nil: that of `process`.
    private func noteLoss(
        of slot: Slot, _ what: String, hasEnded: Bool, _ process: WatchedProcess?, _ identity: ProcessIdentity? = nil
    ) throws(Failure) {
        guard try pool.kernel.noteLoss(of: slot, hasEnded: hasEnded, act: act) else { return }
        // If the hold is over, `EventRecorder` logs the failover. The loss is logged even if this read fails.
        let isHeld = (try? pool.kernel.isHeld(slot, act: act)) ?? false
        let name = pool.kernel.name(of: slot)
        let canFailOver = (try? pool.kernel.deliveryFacts(act: act))?.canFailOver(name) ?? true
        let words = HoldText(hasAffinity: pool.kernel.table.assignment.hasAffinity, canFailOver: canFailOver)
        pool.losses.add(
            .init(
                collector: name, what: what,
                fate: isHeld ? words.held(for: pool.kernel.configuration.restartHold) : nil,
                process: Self.words(for: identity ?? process?.identity), hasEnded: { process?.hasEnded ?? false }),
            now: ContinuousClock.now)
        // Without a process, the cause stays unknown: don't wait for it.
        if process == nil { pool.losses.report(of: name) }
    }

    private static func words(for process: ProcessIdentity?) -> String {
        process.map { "process \($0.pid)" } ?? "its process"
    }

    private static func ports(of pool: RunningPool) -> Set<UInt16> {
        Set(pool.kernel.configuration.groups.map(\.port))
    }
}
