import CBPFShim
import Glibc
import Logging
import SockArrayCore

/// The recorder of the configuration in force, if it has one, and the meter.
final class UsageSource: EventSource {
    private let pool: RunningPool
    private let log: Logger
    private let counters: UsageCounters
    private var recorder: UsageRecorder?
    private var settings: UsageSettings?
    private var seen: RunningPool.Revision
    private static let lastTime: UInt64 = 2_000_000_000

    init(pool: RunningPool, log: Logger) throws(Failure) {
        self.pool = pool
        self.log = log
        seen = pool.revision
        counters = try UsageCounters(pool: pool, log: log)
        settings = pool.plane.configuration.usage
        if let settings {
            recorder = try UsageRecorder(settings, pool: pool.plane.configuration.pool, counters: counters, log: log)
        }
        pool.usage = recorder?.status
    }

    var waits: [pollfd] { recorder?.waits ?? [] }

    var nextDeadline: UInt64? {
        if seen != pool.revision { return 0 }
        return recorder?.nextDeadline
    }

    func serve(_ results: ArraySlice<pollfd>, now: UInt64) {
        // Names, slots and groups may be others: what came until now is of the ones before.
        let isChanged = seen != pool.revision
        if isChanged { followConfiguration() }
        recorder?.serve(isDue: isChanged, now: now)
        pool.usage = recorder?.status
    }

    private func followConfiguration() {
        seen = pool.revision
        counters.followConfiguration()
        let new = pool.plane.configuration.usage
        guard new != settings else { return }
        settings = new
        guard let new else {
            if let pending = recorder?.status.pendingEvents, pending > 0 {
                log.warning("usage left the configuration: \(pending) events wait in its folder, and are not delivered")
            }
            recorder = nil
            return
        }
        if let recorder { return recorder.change(new) }
        do throws(Failure) {
            recorder = try UsageRecorder(new, pool: pool.plane.configuration.pool, counters: counters, log: log)
        } catch {
            log.error("\(error)")
        }
    }

    /// The agent is about to end.
    func finish() { recorder?.finish(until: rpa_monotonic_ns() + Self.lastTime) }
}
