import Glibc
import Logging
import PoolModel
import SockArrayCore
import UsageExport

/// Reads the counters once in each interval, stores the increments as events on the disk, and delivers
/// the events. After usage has left the configuration, it stores the last reading, and finishes the write
/// and the delivery that are in progress.
final class UsageRecorder {
    private var settings: UsageSettings
    private let counters: UsageCounters
    private let log: Logger
    private var unstored: UnstoredUsage
    private let store: UsageStore
    private let delivery: UsageDelivery
    /// When the interval ends.
    private var next = ContinuousClock.now
    /// Whether usage has left the configuration.
    private(set) var isEnding = false
    private var alarm: UsageAlarm
    private var failedToStore = false

    /// Continues from a previous agent's ledger, or counts from now on.
    init(
        _ settings: UsageSettings, pool: String, from content: UsageFolder.Content, counters: UsageCounters, log: Logger
    ) throws(Failure) {
        self.settings = settings
        self.counters = counters
        self.log = log
        alarm = UsageAlarm(log: log)
        for complaint in content.complaints { log.error("\(complaint)") }
        if let stored = content.ledger {
            unstored = UnstoredUsage(stored, isStored: true)
        } else {
            let reading = try counters.read(places: [:])
            let identity = String(UInt64.random(in: 1...UInt64.max), radix: 36)
            let ledger = UsageLedger(identity: identity, pool: pool, from: reading, at: Self.time())
            unstored = UnstoredUsage(ledger, isStored: false, departed: reading.departed)
        }
        store = UsageStore(
            UsageFolder(path: settings.folder), limit: settings.limit,
            UsageQueue(content.batches, ledger: unstored.ledger))
        delivery = UsageDelivery(store, to: settings.target)
        delivery.report = { [unowned self] in note($0) }
        storeEvents()
    }

    /// The write and the attempt to deliver that are in progress.
    var work: [any PendingWork] { [store.write, delivery.work].compactMap { $0 } }

    var nextDeadline: ContinuousClock.Instant? {
        let begins = isEnding ? [] : [next, delivery.nextAttempt]
        return (begins + work.map(\.deadline)).compactMap { $0 }.min()
    }

    /// Whether nothing is left to store, and no write or delivery is in progress.
    private var isIdle: Bool { store.write == nil && !delivery.isBusy && !unstored.isDue }

    /// Whether usage has left the configuration, and nothing is left to do.
    var isEnded: Bool { isEnding && isIdle }

    /// - Parameter isDue: whether to take a reading now, before the interval has passed.
    func serve(isDue: Bool, now: ContinuousClock.Instant) {
        store.proceed()
        if !isEnding, isDue || next <= now {
            next = now + settings.interval
            take()
        }
        storeEvents()
        delivery.proceed(now: now, begins: !isEnding)
    }

    /// Applies other settings. If usage left the configuration, or has another folder now, takes the last
    /// reading, which includes counters that leave, too.
    func follow(_ new: UsageSettings?) {
        guard let new, new.folder == settings.folder else {
            guard !isEnding else { return }
            isEnding = true
            take()
            let pending = status.pendingEvents
            if pending > 0 {
                log.warning("usage left the configuration: \(pending) events wait in \(settings.folder)")
            }
            return
        }
        guard isEnding || new != settings else { return }
        (settings, isEnding, next) = (new, false, .distantPast)
        store.limit = new.limit
        delivery.target = new.target
    }

    /// Retries the delivery now, because somebody may have fixed the problem.
    func retryNow() { delivery.retryNow() }

    /// Stores what was read, and waits for the disk until the deadline.
    func settle(until deadline: ContinuousClock.Instant) {
        proceed(until: deadline) {
            storeEvents()
            return isIdle
        }
    }

    /// Takes and stores the last reading, and delivers it if the target is a file.
    func finish(until deadline: ContinuousClock.Instant) {
        if isEnding { return settle(until: deadline) }
        proceed(until: deadline) { store.write == nil }
        take()
        storeEvents()
        let isFile = if case .file = settings.target { true } else { false }
        delivery.retryNow()
        proceed(until: deadline, begins: isFile) {
            store.write == nil && !delivery.isBusy && (!isFile || store.queue.head == nil || alarm.text != nil)
        }
    }

    /// Waits for the disk and the delivery until the deadline.
    private func proceed(until deadline: ContinuousClock.Instant, begins: Bool = false, _ isDone: () -> Bool) {
        while true {
            store.proceed()
            if begins || delivery.isBusy { delivery.proceed(now: ContinuousClock.now, begins: begins) }
            let now = ContinuousClock.now
            guard !isDone(), now < deadline else { return }
            var waits = work.flatMap(\.waits)
            poll(&waits, until: min(deadline, now + .milliseconds(50)))
        }
    }

    private func take() {
        do throws(Failure) {
            unstored.add(try counters.read(places: unstored.ledger.places), at: Self.time())
        } catch {
            alarm.begin("\(error)")
        }
    }

    private func storeEvents() {
        counters.forget(unstored.takeForgettable())
        guard store.write == nil, unstored.isDue else { return }
        store.store(unstored.beginStoring(), unstored.ledger) { [unowned self] error in
            unstored.endStoring(error == nil ? store.queue.ledger : nil)
            counters.forget(unstored.takeForgettable())
            let folder = settings.folder
            failedToStore = true
            if let error {
                alarm.begin(
                    "events can't be stored in \(folder) (\(ErrnoName.of(error.errno))); the agent keeps them in memory "
                        + "and tries again")
            } else if let unsettled = store.queue.unsettled {
                alarm.begin(
                    "events are stored in \(folder), which could not be synced (\(ErrnoName.of(unsettled))): a crash "
                        + "of the machine may lose the last ones; check the disk")
            } else {
                failedToStore = false
                recover()
            }
        }
    }

    private func note(_ verdict: DeliveryVerdict) {
        switch verdict {
        case .delivered: recover()
        case .failed(let text): alarm.begin("usage events can't be delivered: \(text)")
        case .refused(let text):
            alarm.begin("usage events are refused, and wait in \(settings.folder): \(text)", level: .error)
        }
    }

    private func recover() {
        if !failedToStore, delivery.error == nil { alarm.end("usage events are stored and delivered again") }
    }

    var status: UsageStatus {
        let (queue, overdue) = (store.queue, max(.seconds(600), settings.interval * 10))
        return UsageStatus(
            pendingEvents: queue.pendingEvents + unstored.count,
            pendingBytesOnDisk: queue.pendingEvents > 0 ? queue.bytes : 0,
            lastDelivery: delivery.lastDelivery, lastError: alarm.text ?? counters.alarm.text,
            isOverdue: [alarm, counters.alarm].contains { $0.lasts(longerThan: overdue) })
    }

    private static func time() -> UnixTime { UnixTime(milliseconds: Int64(WallClock.now * 1_000)) }
}

/// The counters of usage: those of the pool's groups, and the meters, whose cgroup may appear and
/// disappear.
final class UsageCounters {
    private let pool: RunningPool
    private let meters: PoolMeters
    private(set) var alarm: UsageAlarm
    private let act = "record usage"

    /// - Throws: an error if the cgroup exists and can't be metered.
    init(pool: RunningPool, log: Logger) throws(Failure) {
        let configuration = pool.kernel.configuration
        self.pool = pool
        meters = PoolMeters(pool: "\(configuration.bpffs)/\(configuration.pool)")
        alarm = UsageAlarm(log: log)
        do throws(Failure) { try meters.follow(configuration.meter) } catch  where error.kind == .absent {
            alarm.begin("\(error)")
        }
    }

    func followConfiguration() {
        do throws(Failure) {
            try meters.follow(pool.kernel.configuration.meter)
            alarm.end(meters.cgroup.map { "cgroup \($0) is metered" } ?? "meter was removed from the configuration")
        } catch {
            alarm.begin("\(error)")
        }
    }

    /// - Parameter places: the indices that the previous reading had, by the id of the counters' map.
    func read(places: [UInt32: Set<UInt32>]) throws(Failure) -> UsageReading {
        var reading = try pool.kernel.usageReading(places: places, act: act)
        // The cgroup doesn't exist yet, or was created again.
        if pool.kernel.configuration.meter != nil, !meters.isCurrent { followConfiguration() }
        try meters.read(into: &reading, act: act)
        return reading
    }

    /// Removes the counts of stopped meters without making events of them.
    func forgetMeters() { meters.forget(nil) }

    /// Removes counters whose counts are in stored events.
    func forget(_ departed: Set<UInt32>) {
        guard !departed.isEmpty else { return }
        pool.kernel.forgetTraffic(of: departed)
        meters.forget(departed)
    }
}
