import CBPFShim
import Glibc
import Logging

/// Removes the entries of ended sessions, before the map has no room for new ones.
final class SessionSweep: EventSource {
    private let pool: RunningPool
    private let log: Logger
    private var next = ContinuousClock.now
    /// Whether the last sweep was incomplete.
    private var wentOn = false
    private var said: String?
    /// Until an entry is removed, the map has room for the new ones: 35,000 sessions a second.
    private static let pause = Duration.seconds(1)
    private static let shortPause = Duration.milliseconds(500)

    init(pool: RunningPool, log: Logger) {
        self.pool = pool
        self.log = log
    }

    let waits: [pollfd] = []

    var nextDeadline: ContinuousClock.Instant? {
        pool.kernel.configuration.groups.contains { $0.transport == .tcp } ? next : nil
    }

    func serve(_ results: ArraySlice<pollfd>, now: ContinuousClock.Instant) {
        guard let nextDeadline, nextDeadline <= now else { return }
        next = now + Self.pause
        do {
            let goesOn = try pool.kernel.sweepSessions(act: "forget sessions that have ended")
            if goesOn { next = now + Self.shortPause }
            if goesOn || wentOn { rpa_trim_memory() }
            wentOn = goesOn
            said = nil
        } catch {
            if said != "\(error)" { log.error("\(error)") }
            said = "\(error)"
        }
    }
}
