import CBPFShim
import Glibc
import Logging
import SockArrayCore

/// The recorder of the configuration in force, if it has one, and the meter. What a
/// reload changes of it waits for no disk: the loop goes on meanwhile.
final class UsageSource: EventSource {
    private enum Course {
        case off
        /// The folder is read, for the first time or once more.
        case loading(folder: String, BackgroundIO<Result<UsageFolder.Content, Failure>>)
        case recording(UsageRecorder)
        /// It left the configuration, and something was under way.
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
    private var isToldOfThreads = false
    private var nextAttempt: UInt64 = 0
    private static let lastTime: UInt64 = 2_000_000_000

    init(pool: RunningPool, log: Logger) throws(Failure) {
        self.pool = pool
        self.log = log
        (seen, reloads) = (pool.revision, pool.reloads)
        counters = try UsageCounters(pool: pool, log: log)
        settings = pool.plane.configuration.usage
        if let settings { try beginAtStart(settings) } else { counters.forgetMeters() }
        pool.usage = status
    }

    private func beginAtStart(_ settings: UsageSettings) throws(Failure) {
        do throws(Failure) {
            let recorder = try recorder(settings, UsageRecorder.load(settings, pool: pool.plane.configuration.pool))
            // A pool that has just been made: what its collectors get is in the first event,
            // also if this agent is killed in a moment.
            recorder.settle(until: rpa_monotonic_ns() + Self.lastTime)
            course = .recording(recorder)
        } catch {
            // The disk's, which may pass: registrations don't wait for it.
            guard error.kind == .output else { throw error }
            postpone(error, now: rpa_monotonic_ns())
        }
    }

    private func recorder(
        _ settings: UsageSettings, _ content: UsageFolder.Content
    ) throws(Failure) -> UsageRecorder {
        try UsageRecorder(
            settings, pool: pool.plane.configuration.pool, from: content, counters: counters, log: log)
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
        // Names, slots and groups may be others: what came until now is of the ones before.
        let isChanged = seen != pool.revision
        if isChanged { followConfiguration() }
        proceed(now: now)
        if case .recording(let recorder) = course { recorder.serve(isDue: isChanged, now: now) }
        tellOfThreads()
        pool.usage = status
    }

    /// Once: the loop does what they would do, and may wait for the disk with it.
    private func tellOfThreads() {
        let refusal: Int32? =
            switch course {
            case .off: nil
            case .loading(_, let job): job.refusal
            case .recording(let recorder), .ending(let recorder): recorder.threadRefusal
            }
        guard let refusal, !isToldOfThreads else { return }
        isToldOfThreads = true
        log.warning(
            "usage events are read and written without threads, of which none could be started (\(ErrnoName.of(refusal))): a slow disk holds up the agent; raise the limits of its unit (TasksMax=, LimitNPROC=, LimitNOFILE=)"
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
        settings = pool.plane.configuration.usage
        // A person may have mended what failed.
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

    /// Whatever takes its time may be done by now.
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
            let name = pool.plane.configuration.pool
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

    /// The agent is about to end.
    ///
    /// - Returns: nothing waits for the disk any more.
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
