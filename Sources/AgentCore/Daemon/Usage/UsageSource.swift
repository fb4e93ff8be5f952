import CBPFShim
import Glibc
import Logging
import PoolModel
import UsageExport

/// The usage recorder of the current configuration, if it has one, and the meter. When a reload changes
/// them, the loop doesn't wait for the disk.
final class UsageSource: EventSource {
    private enum Course {
        case off
        /// A thread reads the folder.
        case loading(folder: String, BackgroundIO<Result<UsageFolder.Content, Failure>>)
        case recording(UsageRecorder)
        /// Usage left the configuration, and a write or a delivery is still in progress.
        case ending(UsageRecorder)
    }

    private let pool: RunningPool
    private let log: Logger
    private let counters: UsageCounters
    private var course = Course.off
    private var settings: UsageSettings?
    private var seen: Int
    private var reloads: Int
    /// Why there is no recorder, although one is configured.
    private var error: String?
    private var failures = 0
    private var hasReportedThreads = false
    private var nextAttempt: UInt64 = 0
    private static let lastTime: UInt64 = 2_000_000_000

    init(pool: RunningPool, log: Logger) throws(Failure) {
        self.pool = pool
        self.log = log
        (seen, reloads) = (pool.revision, pool.reloads)
        counters = try UsageCounters(pool: pool, log: log)
        settings = pool.kernel.configuration.usage
        if let settings { try beginAtStart(settings) } else { counters.forgetMeters() }
        pool.usage = status
    }

    private func beginAtStart(_ settings: UsageSettings) throws(Failure) {
        do throws(Failure) {
            let recorder = try recorder(settings, UsageRecorder.load(settings, pool: pool.kernel.configuration.pool))
            // A new pool's ledger must be on the disk before traffic is counted, so that the first event is
            // complete even if the agent is killed soon.
            recorder.settle(until: rpa_monotonic_ns() + Self.lastTime)
            course = .recording(recorder)
        } catch {
            // A disk error may be temporary, and registrations don't wait for the disk.
            guard error.kind == .output else { throw error }
            postpone(error, now: rpa_monotonic_ns())
        }
    }

    private func recorder(
        _ settings: UsageSettings, _ content: UsageFolder.Content
    ) throws(Failure) -> UsageRecorder {
        try UsageRecorder(
            settings, pool: pool.kernel.configuration.pool, from: content, counters: counters, log: log)
    }

    var waits: [pollfd] {
        switch course {
        case .off: []
        case .loading(_, let job): [job.wait]
        case .recording(let recorder), .ending(let recorder): recorder.waits
        }
    }

    var nextDeadline: UInt64? {
        if seen != pool.revision { return 0 }
        return switch course {
        case .off: settings == nil ? nil : nextAttempt
        case .loading(_, let job): job.deadline
        case .recording(let recorder): recorder.nextDeadline
        case .ending(let recorder): recorder.endDeadline
        }
    }

    func serve(_ results: ArraySlice<pollfd>, now: UInt64) {
        // Names, slots and groups may have changed: the counts until now belong to the previous ones.
        let isChanged = seen != pool.revision
        if isChanged { followConfiguration() }
        proceed(now: now)
        if case .recording(let recorder) = course { recorder.serve(isDue: isChanged, now: now) }
        reportMissingThreads()
        pool.usage = status
    }

    /// Warns once: without threads, the loop itself waits for the disk.
    private func reportMissingThreads() {
        let refusal: Int32? =
            switch course {
            case .off: nil
            case .loading(_, let job): job.refusal
            case .recording(let recorder), .ending(let recorder): recorder.threadRefusal
            }
        guard let refusal, !hasReportedThreads else { return }
        hasReportedThreads = true
        log.warning(
            "no thread could be started to store usage events (\(ErrnoName.of(refusal))): a slow disk blocks the agent; raise the limits of its unit (TasksMax=, LimitNPROC=, LimitNOFILE=)"
        )
    }

    private var status: UsageStatus? {
        guard settings != nil else { return nil }
        if case .recording(let recorder) = course { return recorder.status }
        return UsageStatus(lastError: error, isOverdue: error != nil)
    }

    private func followConfiguration() {
        seen = pool.revision
        counters.followConfiguration()
        let former = settings
        settings = pool.kernel.configuration.usage
        // Somebody may have fixed the problem.
        nextAttempt = 0
        switch course {
        case .recording(let recorder) where settings?.folder != recorder.folder:
            recorder.takeLast()
            let pending = recorder.status.pendingEvents
            if pending > 0 {
                log.warning("usage left the configuration: \(pending) events wait in \(recorder.folder)")
            }
            course = .ending(recorder)
        case .ending(let recorder) where settings?.folder == recorder.folder:
            recorder.change(settings!)
            course = .recording(recorder)
        case .recording(let recorder):
            if let settings, settings != former { recorder.change(settings) }
        case .off, .loading: if settings == nil { counters.forgetMeters() }
        case .ending: break
        }
        if reloads != pool.reloads, case .recording(let recorder) = course { recorder.retryNow() }
        reloads = pool.reloads
    }

    /// Continues work that was in progress.
    private func proceed(now: UInt64) {
        if case .ending(let recorder) = course {
            recorder.serveEnd(now: now)
            if recorder.isIdle { course = .off }
        }
        if case .loading(let folder, let job) = course, let result = job.take() {
            course = .off
            if let settings, settings.folder == folder { begin(settings, result, now: now) }
        }
        if case .off = course, let settings, nextAttempt <= now {
            let name = pool.kernel.configuration.pool
            course = .loading(
                folder: settings.folder,
                BackgroundIO {
                    do throws(Failure) {
                        return .success(try UsageRecorder.load(settings, pool: name))
                    } catch {
                        return .failure(error)
                    }
                })
        }
    }

    private func begin(_ settings: UsageSettings, _ result: Result<UsageFolder.Content, Failure>, now: UInt64) {
        do throws(Failure) {
            course = .recording(try recorder(settings, result.get()))
            if error != nil { log.notice("usage is recorded in \(settings.folder)") }
            (error, failures) = (nil, 0)
        } catch {
            postpone(error, now: now)
        }
    }

    private func postpone(_ failure: Failure, now: UInt64) {
        if error != "\(failure)" { log.error("\(failure)") }
        error = "\(failure)"
        failures += 1
        let pause = DeliveryBackoff.pause(after: failures, chance: Double.random(in: 0...1))
        nextAttempt = now + UInt64(pause / .nanoseconds(1))
    }

    /// Takes and stores the last reading before the agent ends, for at most 2 s.
    ///
    /// - Returns: false if a disk job is still in progress.
    func finish() -> Bool {
        let deadline = rpa_monotonic_ns() + Self.lastTime
        switch course {
        case .off: return true
        case .loading(_, let job): return job.isDone(by: deadline)
        case .recording(let recorder):
            recorder.finish(until: deadline)
            return !recorder.isOnDisk
        case .ending(let recorder):
            recorder.settle(until: deadline)
            return !recorder.isOnDisk
        }
    }
}
