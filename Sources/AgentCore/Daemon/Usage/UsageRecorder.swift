import CBPFShim
import Glibc
import Logging
import PoolModel
import UsageExport

/// Reads the counters once in each interval, stores the increments as events on the disk, and delivers
/// the events.
final class UsageRecorder {
    private var settings: UsageSettings
    private let queue: UsageQueue
    private let delivery: UsageDelivery
    private let counters: UsageCounters
    /// The ledger on the disk plus the open events.
    private var ledger: UsageLedger
    /// Events that aren't on the disk yet.
    private var open: [UsageEvent] = []
    /// Whether the disk has no ledger yet.
    private var isUnwritten = false
    /// Maps of the last reading that no longer count; they stay pinned until the reading is on the disk.
    private var departed: Set<UInt32> = []
    private var next: UInt64
    private var trouble: UsageAlarm

    /// Continues from a previous agent's ledger, or counts from now on.
    init(
        _ settings: UsageSettings, pool: String, from content: UsageFolder.Content, counters: UsageCounters, log: Logger
    ) throws(Failure) {
        self.settings = settings
        self.counters = counters
        trouble = UsageAlarm(log: log)
        for complaint in content.complaints { log.error("\(complaint)") }
        if let kept = content.ledger {
            ledger = kept
        } else {
            let reading = try counters.read(places: [:])
            departed = reading.departed
            let identity = String(UInt64.random(in: 1...UInt64.max), radix: 36)
            ledger = UsageLedger(identity: identity, pool: pool, from: reading, at: Self.time())
            isUnwritten = true
        }
        queue = UsageQueue(
            UsageFolder(path: settings.folder), limit: settings.limit, ledger: ledger, batches: content.batches)
        var report: (UsagePost.Verdict) -> Void = { _ in }
        delivery = UsageDelivery(queue, to: settings.target) { report($0) }
        next = rpa_monotonic_ns()
        report = { [unowned self] in note($0) }
        if isUnwritten { store() }
    }

    /// Reads the folder, and creates it if it doesn't exist. May wait for the disk.
    ///
    /// - Throws: `.usage` if no such folder can exist; `.conflict` for another pool's folder.
    static func load(_ settings: UsageSettings, pool: String) throws(Failure) -> UsageFolder.Content {
        try settings.checkFolder(makes: true)
        return try UsageFolder(path: settings.folder).load(pool: pool)
    }

    /// Stores the open events, and waits for the disk until the deadline.
    func settle(until deadline: UInt64) {
        proceed(until: deadline) {
            store()
            return isIdle
        }
    }

    var folder: String { settings.folder }

    /// Whether nothing is left to store, and no write or delivery is in progress.
    var isIdle: Bool { !queue.isBusy && !delivery.isBusy && !hasToStore }

    /// Why the current disk job has no thread, as a positive errno; nil if it has one.
    var threadRefusal: Int32? { queue.threadRefusal ?? delivery.threadRefusal }

    /// Whether a disk job is in progress.
    var isOnDisk: Bool { queue.isBusy || delivery.isOnDisk }

    /// Takes the last reading when usage leaves the configuration; it includes counters that leave, too.
    func takeLast() { take() }

    /// Proceeds after usage left the configuration: stores the last reading, and finishes the current
    /// write and delivery.
    func serveEnd(now: UInt64) {
        queue.proceed()
        store()
        delivery.proceed(now: now, begins: false)
    }

    /// The next deadline while `serveEnd` is in use.
    var endDeadline: UInt64? { queue.nextDeadline ?? (delivery.isBusy ? delivery.nextDeadline : nil) }

    var waits: [pollfd] { queue.waits + delivery.waits }

    var nextDeadline: UInt64 { min(next, queue.nextDeadline ?? .max, delivery.nextDeadline ?? .max) }

    /// - Parameter isDue: whether to take a reading now, before the interval has passed.
    func serve(isDue: Bool, now: UInt64) {
        queue.proceed()
        if isDue || next <= now {
            next = now + UInt64(settings.interval / .nanoseconds(1))
            take()
        }
        store()
        delivery.proceed(now: now)
    }

    /// Applies other settings with the same folder.
    func change(_ settings: UsageSettings) {
        self.settings = settings
        queue.limit = settings.limit
        delivery.target = settings.target
        next = 0
    }

    /// Retries the delivery now, because somebody may have fixed the problem.
    func retryNow() { delivery.retryNow() }

    /// Takes and stores the last reading, and delivers it if the target is a file.
    func finish(until deadline: UInt64) {
        proceed(until: deadline) { !queue.isBusy }
        take()
        store()
        var isFile = false
        if case .file = settings.target { isFile = true }
        delivery.retryNow()
        proceed(until: deadline, begins: isFile) {
            !queue.isBusy && !delivery.isBusy && (!isFile || queue.head == nil || trouble.text != nil)
        }
    }

    /// Waits for the disk and the delivery until the deadline.
    private func proceed(until deadline: UInt64, begins: Bool = false, _ isDone: () -> Bool) {
        while true {
            queue.proceed()
            if begins || delivery.isBusy { delivery.proceed(now: rpa_monotonic_ns(), begins: begins) }
            let now = rpa_monotonic_ns()
            guard !isDone(), now < deadline else { return }
            var waits = self.waits
            poll(&waits, UInt(waits.count), Int32(min(50, (deadline - now) / 1_000_000 + 1)))
        }
    }

    private func take() {
        do throws(Failure) {
            let reading = try counters.read(places: ledger.places)
            open = open.merged(with: ledger.take(reading, at: Self.time()))
            departed = reading.departed
        } catch {
            trouble.begin("\(error)")
        }
    }

    /// Stores the open events. If that fails, the next attempt stores them with the newer ones.
    private func store() {
        if !queue.isBusy, !isUnwritten, open.isEmpty { forgetDeparted() }
        guard !queue.isBusy, hasToStore else { return }
        lastAttempt = ledger.stop
        let events = open
        open = []
        queue.store(events, ledger) { [unowned self] error in
            guard let error else {
                isUnwritten = false
                ledger.follow(queue.ledger)
                if open.isEmpty { forgetDeparted() }
                failedToStore = queue.unsettled != nil
                return queue.unsettled.map(noteUnsettled) ?? recover()
            }
            open = events.merged(with: open)
            failedToStore = true
            trouble.begin(
                "events can't be stored in \(settings.folder) (\(ErrnoName.of(error.errno))); the agent keeps them in "
                    + "memory and tries again")
        }
    }

    private func noteUnsettled(_ number: Int32) {
        trouble.begin(
            "events are stored in \(settings.folder), which could not be synced (\(ErrnoName.of(number))): "
                + "a crash of the machine may lose the last ones; check the disk")
    }

    /// Removes the departed counters; call it when the last reading is on the disk.
    private func forgetDeparted() {
        counters.forget(departed)
        departed = []
    }

    /// Whether there is something to store; one attempt for each reading.
    private var hasToStore: Bool { (isUnwritten || !open.isEmpty) && lastAttempt != ledger.stop }

    private var lastAttempt: UnixTime?
    private var failedToStore = false

    private func note(_ verdict: UsagePost.Verdict) {
        switch verdict {
        case .delivered: recover()
        case .failed(let text): trouble.begin("usage events can't be delivered: \(text)")
        case .refused(let text):
            trouble.begin("usage events are refused, and wait in \(settings.folder): \(text)", level: .error)
        }
    }

    private func recover() {
        if !failedToStore, delivery.error == nil { trouble.end("usage events are stored and delivered again") }
    }

    private var overdueTime: Duration { max(.seconds(600), settings.interval * 10) }

    var status: UsageStatus {
        UsageStatus(
            pendingEvents: queue.pendingEvents + open.count,
            pendingBytesOnDisk: queue.pendingEvents > 0 ? queue.bytes : 0,
            lastDelivery: delivery.lastDelivery, lastError: trouble.text ?? counters.trouble.text,
            isOverdue: [trouble, counters.trouble].contains { $0.lasts(longerThan: overdueTime) })
    }

    private static func time() -> UnixTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UnixTime(milliseconds: Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000)
    }
}
