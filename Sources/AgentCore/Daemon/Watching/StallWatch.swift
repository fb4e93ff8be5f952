import Glibc
import Logging
import PoolModel
import SockArrayCore

/// Notices collectors that read nothing of what waits in their sockets, reports them, and with `stalled: failover`
/// gives their exporters to others until they read again.
final class StallWatch: EventSource {
    private let pool: RunningPool
    private let log: Logger
    private var detector = StallDetector()
    private var next = ContinuousClock.Instant.distantPast
    /// When each stalled collector was found.
    private var since: [String: ContinuousClock.Instant] = [:]
    private let act = "look at the collectors' queues"
    /// Looks in the time after which a collector counts as stalled.
    private static let looks = 10

    init(pool: RunningPool, log: Logger) {
        self.pool = pool
        self.log = log
    }

    let waits: [pollfd] = []

    var nextDeadline: ContinuousClock.Instant? { next }

    private var limit: Duration { pool.kernel.configuration.stalledAfter }

    func serve(_ results: ArraySlice<pollfd>, now: ContinuousClock.Instant) {
        guard next <= now else { return }
        next = now + min(.seconds(1), limit / Self.looks)
        do {
            let aside = pool.kernel.collectorsSetAside
            let stalled = detector.look(
                try pool.kernel.queueReadings(act: act), at: now, after: limit, presumed: aside)
            if let stall = detector.nextStall(after: limit) { next = min(next, stall) }
            for (name, group) in stalled.sorted(by: { $0.key < $1.key }) where since[name] == nil {
                since[name] = now
                report(name, group)
            }
            // An earlier agent may have set aside a collector that has read since.
            for name in aside.union(since.keys).sorted() where stalled[name] == nil {
                try noteEnd(of: name, wasAside: aside.contains(name))
            }
            if pool.stalled != stalled { pool.stalled = stalled }
            try failOver(now: now)
        } catch {
            log.error("\(error)")
            next = now + .seconds(5)
        }
    }

    private func report(_ name: String, _ group: String) {
        let text = "collector \(name) has read nothing for \(limit), and data waits in its socket of group \(group)"
        let next =
            pool.kernel.configuration.stalled == .failover
            ? "; its exporters go to other collectors in \(pool.kernel.configuration.restartHold)" : ""
        log.of(name, key: "stalled").warning("\(text)\(next)")
        pool.note(.stalled, collector: name, text)
    }

    /// It reads again, or its sockets are gone.
    private func noteEnd(of name: String, wasAside: Bool) throws(Failure) {
        since[name] = nil
        guard try pool.kernel.isRegistered(name, act: act) else { return }
        let text = "collector \(name) reads again"
        let back = wasAside ? ": its exporters return" : ""
        if wasAside { try pool.kernel.bringBack(name) }
        log.of(name, key: "reads again").notice("\(text)\(back)")
        pool.note(.resumed, collector: name, text + back)
    }

    private func failOver(now: ContinuousClock.Instant) throws(Failure) {
        let configuration = pool.kernel.configuration
        guard configuration.stalled == .failover else { return }
        let moments = try pool.kernel.moments(act: act)
        // Whoever takes the exporters must be there, or they lose what the sockets still have room for.
        guard moments.contains(where: { $0.state.standing == .usable && since[$0.name] == nil }) else { return }
        for moment in moments where moment.state.standing == .usable {
            guard let start = since[moment.name], now - start >= configuration.restartHold else { continue }
            try pool.kernel.setAside(moment.name)
        }
    }
}
