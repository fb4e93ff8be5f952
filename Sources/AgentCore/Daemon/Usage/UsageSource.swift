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
        /// Also after usage left the configuration, while a write or a delivery is in progress.
        case recording(UsageRecorder)
    }

    private let pool: RunningPool
    private let log: Logger
    private let counters: UsageCounters
    private var course = Course.off
    private var settings: UsageSettings?
    /// The revision of the pool, and the number of its reloads, that this source has followed.
    private var seen: (revision: Int, reloads: Int)
    /// Why there is no recorder, although one is configured.
    private var alarm: UsageAlarm
    private var backoff = DeliveryBackoff()
    private var hasReportedThreads = false
    private static let lastTime = Duration.seconds(2)

    init(pool: RunningPool, log: Logger) throws(Failure) {
        self.pool = pool
        self.log = log
        seen = (pool.revision, pool.reloads.successes)
        alarm = UsageAlarm(log: log)
        counters = try UsageCounters(pool: pool, log: log)
        settings = pool.kernel.configuration.usage
        if let settings { try beginAtStart(settings) } else { counters.forgetMeters() }
        pool.usage = status
    }

    private func beginAtStart(_ settings: UsageSettings) throws(Failure) {
        do throws(Failure) {
            let content = try UsageFolder(path: settings.folder).load(pool: pool.kernel.configuration.pool)
            // A new pool's ledger must be on the disk before traffic is counted, so that the first event is
            // complete even if the agent is killed soon.
            try record(settings, from: content).settle(until: ContinuousClock.now + Self.lastTime)
        } catch  where error.kind == .output {
            // A disk error may be temporary, and registrations don't wait for the disk.
            postpone(error, now: ContinuousClock.now)
        }
    }

    @discardableResult
    private func record(
        _ settings: UsageSettings, from content: UsageFolder.Content
    ) throws(Failure) -> UsageRecorder {
        let recorder = try UsageRecorder(
            settings, pool: pool.kernel.configuration.pool, from: content, counters: counters, log: log)
        course = .recording(recorder)
        alarm.end("usage is recorded in \(settings.folder)")
        backoff = DeliveryBackoff()
        return recorder
    }

    private func postpone(_ failure: Failure, now: ContinuousClock.Instant) {
        alarm.begin("\(failure)", level: .error)
        backoff.fail(now: now)
    }

    private var work: [any PendingWork] {
        switch course {
        case .off: []
        case .loading(_, let job): [job]
        case .recording(let recorder): recorder.work
        }
    }

    var waits: [pollfd] { work.flatMap(\.waits) }

    var nextDeadline: ContinuousClock.Instant? {
        if seen.revision != pool.revision { return .distantPast }
        return switch course {
        case .off: settings == nil ? nil : backoff.next
        case .loading(_, let job): job.deadline
        case .recording(let recorder): recorder.nextDeadline
        }
    }

    func serve(_ results: ArraySlice<pollfd>, now: ContinuousClock.Instant) {
        // Names, slots and groups may have changed: the counts until now belong to the previous ones.
        let isChanged = seen.revision != pool.revision
        if isChanged { followConfiguration() }
        if case .recording(let recorder) = course {
            recorder.serve(isDue: isChanged, now: now)
            if recorder.isEnded { course = .off }
        }
        load(now: now)
        reportMissingThreads()
        pool.usage = status
    }

    /// Warns once: without threads, the loop itself waits for the disk.
    private func reportMissingThreads() {
        guard !hasReportedThreads, let refusal = work.lazy.compactMap(\.refusal).first else { return }
        hasReportedThreads = true
        log.warning(
            "no thread could be started to store usage events (\(ErrnoName.of(refusal))): a slow disk blocks the agent; raise the limits of its unit (TasksMax=, LimitNPROC=, LimitNOFILE=)"
        )
    }

    private var status: UsageStatus? {
        guard settings != nil else { return nil }
        if case .recording(let recorder) = course, !recorder.isEnding { return recorder.status }
        return UsageStatus(lastError: alarm.text, isOverdue: alarm.text != nil)
    }

    private func followConfiguration() {
        counters.followConfiguration()
        settings = pool.kernel.configuration.usage
        // Somebody may have fixed the problem.
        backoff = DeliveryBackoff()
        if case .recording(let recorder) = course {
            recorder.follow(settings)
            if seen.reloads != pool.reloads.successes { recorder.retryNow() }
        } else if settings == nil {
            counters.forgetMeters()
        }
        seen = (pool.revision, pool.reloads.successes)
    }

    /// Reads the folder on a thread, and then begins to record.
    private func load(now: ContinuousClock.Instant) {
        if case .loading(let folder, let job) = course, let content = job.take() {
            course = .off
            if let settings, settings.folder == folder {
                do throws(Failure) { try record(settings, from: content.get()) } catch { postpone(error, now: now) }
            }
        }
        if case .off = course, let settings, backoff.next <= now {
            let name = pool.kernel.configuration.pool
            let job = BackgroundIO {
                Result { () throws(Failure) in try UsageFolder(path: settings.folder).load(pool: name) }
            }
            course = .loading(folder: settings.folder, job)
        }
    }

    /// Takes and stores the last reading before the agent ends, for at most 2 s.
    ///
    /// - Returns: false if a disk job is still in progress.
    func finish() -> Bool {
        let deadline = ContinuousClock.now + Self.lastTime
        switch course {
        case .off: return true
        case .loading(_, let job): return job.isDone(by: deadline)
        case .recording(let recorder):
            recorder.finish(until: deadline)
            return recorder.work.allSatisfy { $0 is ChildDelivery }
        }
    }
}
