import Glibc
import Logging
import SockArrayCore

/// Hears of sockets that close (sock_diag's destroy events) and of processes that
/// end (pidfds), and takes what is left of their collectors out of use.
final class CollectorWatch: EventSource {
    private let pool: RunningPool
    private let log: Logger
    private let events: SocketCloseEvents
    private var ports: Set<UInt16>
    /// Slots by the cookies of their registered sockets.
    private var slots: [UInt64: Slot] = [:]
    private var owners: [Slot: WatchedProcess] = [:]
    private var seen: RunningPool.Revision?
    /// When rows that wait for sessions are looked at again, should an event have been missed.
    private var nextLook: UInt64?
    private static let lookPause: UInt64 = 1_000_000_000
    private let act = "watch the collectors"

    init(pool: RunningPool, log: Logger) throws(Failure) {
        self.pool = pool
        self.log = log
        ports = Self.ports(of: pool)
        do {
            events = try SocketCloseEvents(ports: ports)
        } catch {
            throw Failure.openFiles(act: act, errno: error.errno)
                ?? Failure(
                    .privilege, act: act, cause: "\(error.operation) failed", errno: error.errno,
                    remedy: "let the agent use netlink sockets (RestrictAddressFamilies=… AF_NETLINK)")
        }
    }

    var waits: [pollfd] {
        [pollfd(fd: events.number, events: Int16(POLLIN), revents: 0)]
            + order.map { pollfd(fd: owners[$0]!.number, events: Int16(POLLIN), revents: 0) }
    }

    private var order: [Slot] { owners.keys.sorted() }

    var nextDeadline: UInt64? {
        if seen != pool.revision { return 0 }
        return [nextLook, nextDrain].compactMap(\.self).min()
    }

    private var nextDrain: UInt64?

    func serve(_ results: ArraySlice<pollfd>, now: UInt64) {
        do {
            // A request before this may have filled a slot anew: what is told of those
            // before is of no interest any more.
            if seen != pool.revision { try lookAtAll() }
            // Whoever has ended is to be known before its sockets are told closed.
            if results.dropFirst().contains(where: { $0.revents != 0 }) {
                for slot in order where owners[slot]!.hasEnded { try noteEnd(of: slot) }
            }
            try takeEvents()
            if seen != pool.revision { try lookAtAll() }
            if let due = nextLook, due <= now { try pool.plane.releaseRows(act: act) }
            nextLook = pool.plane.waitingRowCount == 0 ? nil : now + Self.lookPause
            nextDrain = try pool.plane.finishDrains(act: act)
        } catch {
            log.error("\(error)")
            nextLook = now + Self.lookPause
        }
    }

    /// A process that a client passed as the owner, whether or not we could find it by its pid.
    func adopt(_ process: PassedProcess, of slot: Slot) {
        owners[slot] = WatchedProcess(process)
    }

    /// Other sockets came to the slot, and nobody said whose they are.
    func dismissOwner(of slot: Slot) {
        if owners[slot]?.isHidden == true { owners[slot] = nil }
    }

    private func takeEvents() throws(Failure) {
        var mayRelease = false
        while let event = next() {
            switch event {
            case .overrun: seen = nil
            case .closed(let socket):
                if let slot = slots.removeValue(forKey: socket.cookie) {
                    try noteLoss(
                        of: slot, hasEnded: owners[slot]?.hasEnded ?? false, what: "has lost \(socket.endpoint)")
                } else if pool.plane.noteSessionEnd(socket) {
                    mayRelease = true
                }
            }
        }
        if mayRelease { try pool.plane.releaseRows(act: act) }
    }

    private func next() -> SocketCloseEvents.Event? {
        do {
            return try events.next()
        } catch {
            log.error("\(error)")
            return nil
        }
    }

    /// What is registered now, and what of it has been lost meanwhile.
    private func lookAtAll() throws(Failure) {
        let plane = pool.plane
        seen = pool.revision
        let ports = Self.ports(of: pool)
        if ports != self.ports {
            do { try events.watch(ports: ports) } catch { log.error("\(error)") }
            self.ports = ports
        }
        slots = try plane.registeredSockets(act: act)
        let identities = try plane.owners(act: act)
        owners = owners.filter { slot, owner in identities[slot].map { owner.identity == $0 } ?? owner.isHidden }
        for (slot, identity) in identities where owners[slot] == nil {
            guard let process = WatchedProcess(identity) else {
                try noteLoss(of: slot, hasEnded: true, what: "has ended (process \(identity.pid))")
                continue
            }
            owners[slot] = process
        }
        for slot in try plane.lostSlots(act: act) {
            try noteLoss(of: slot, hasEnded: owners[slot]?.hasEnded ?? false, what: "has lost a socket")
        }
    }

    private func noteEnd(of slot: Slot) throws(Failure) {
        guard let owner = owners.removeValue(forKey: slot) else { return }
        let name = owner.identity.map { "process \($0.pid)" } ?? "its process"
        try noteLoss(of: slot, hasEnded: true, what: "has ended (\(name))")
    }

    private func noteLoss(of slot: Slot, hasEnded: Bool, what: String) throws(Failure) {
        guard try pool.plane.noteLoss(of: slot, hasEnded: hasEnded, act: act) else { return }
        log.warning("collector \(pool.plane.name(of: slot)) \(what): held for \(pool.plane.configuration.restartHold)")
    }

    private static func ports(of pool: RunningPool) -> Set<UInt16> {
        Set(pool.plane.configuration.groups.map(\.port))
    }
}
