import CBPFShim
import Glibc
import Logging
import SockArrayCore

/// Takes a reading of the counters in each interval, keeps what came since the one
/// before as events on the disk, and has them delivered.
final class UsageRecorder {
    private var settings: UsageSettings
    private let queue: UsageQueue
    private let delivery: UsageDelivery
    private let counters: UsageCounters
    /// Ahead of the disk's by the events that are open.
    private var ledger: UsageLedger
    /// Counted, and not on the disk yet.
    private var open: [UsageEvent] = []
    /// There is no ledger on the disk, or not of this pool.
    private var isUnwritten = false
    /// Sources of the last reading that count no more: pinned until it is on the disk.
    private var departed: Set<UInt32> = []
    private var next: UInt64
    private var trouble: UsageAlarm

    /// Goes on from what an agent before left, or counts from now on.
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
        report = { [unowned self] in tell($0) }
        if isUnwritten { store() }
    }

    /// May wait for the disk.
    ///
    /// - Throws: `.usage` where no folder can be, `.conflict` for another pool's.
    static func load(_ settings: UsageSettings, pool: String) throws(Failure) -> UsageFolder.Content {
        try settings.checkFolder(makes: true)
        return try UsageFolder(path: settings.folder).load(pool: pool)
    }

    /// What is to be written at the moment.
    func settle(until deadline: UInt64) {
        proceed(until: deadline) {
            store()
            return isIdle
        }
    }

    var folder: String { settings.folder }

    /// Nothing is written or to be written, and nothing is under way to the target.
    var isIdle: Bool { !queue.isBusy && !delivery.isBusy && !hasToStore }

    /// Why what is under way has no thread: positive errno.
    var threadRefusal: Int32? { queue.threadRefusal ?? delivery.threadRefusal }

    /// A thread reads or writes.
    var isOnDisk: Bool { queue.isBusy || delivery.isOnDisk }

    /// It leaves the configuration: a last reading, also of what leaves with it.
    func takeLast() { take() }

    /// Not configured any more: the last reading is kept, what is under way comes to its
    /// end, and nothing else.
    func serveEnd(now: UInt64) {
        queue.proceed()
        store()
        delivery.proceed(now: now, begins: false)
    }

    /// While `serveEnd` is what is to be done.
    var endDeadline: UInt64? { queue.nextDeadline ?? (delivery.isBusy ? delivery.nextDeadline : nil) }

    var waits: [pollfd] { queue.waits + delivery.waits }

    var nextDeadline: UInt64 { min(next, queue.nextDeadline ?? .max, delivery.nextDeadline ?? .max) }

    /// - Parameter isDue: a reading is to be taken now, whatever the interval.
    func serve(isDue: Bool, now: UInt64) {
        queue.proceed()
        if isDue || next <= now {
            next = now + UInt64(settings.interval / .nanoseconds(1))
            take()
        }
        store()
        delivery.proceed(now: now)
    }

    /// Others of the same folder.
    func change(_ settings: UsageSettings) {
        self.settings = settings
        queue.limit = settings.limit
        delivery.target = settings.target
        next = 0
    }

    /// Somebody may have mended what kept a batch from its target.
    func retryNow() { delivery.retryNow() }

    /// A last reading, kept, and delivered if that is a matter of a file.
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

    /// Waits for the disk and the children, for a bounded time.
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

    /// Nothing is lost if it fails: the next attempt has these events, and what came since.
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
                return queue.unsettled.map(tellUnsettled) ?? recover()
            }
            open = events.merged(with: open)
            failedToStore = true
            trouble.begin(
                "events can't be kept in \(settings.folder) (\(ErrnoName.of(error.errno))); they are counted on")
        }
    }

    private func tellUnsettled(_ number: Int32) {
        trouble.begin(
            "events are kept in \(settings.folder), which could not be synced (\(ErrnoName.of(number))): "
                + "a crash of the machine may lose the last ones; look at the disk")
    }

    /// All that the last reading found is on the disk.
    private func forgetDeparted() {
        counters.forget(departed)
        departed = []
    }

    /// Once for each reading.
    private var hasToStore: Bool { (isUnwritten || !open.isEmpty) && lastAttempt != ledger.stop }

    private var lastAttempt: UnixTime?
    private var failedToStore = false

    private func tell(_ verdict: UsagePost.Verdict) {
        switch verdict {
        case .delivered: recover()
        case .failed(let text): trouble.begin("usage events can't be delivered: \(text)")
        case .refused(let text):
            trouble.begin("usage events are refused, and wait in \(settings.folder): \(text)", level: .error)
        }
    }

    private func recover() {
        if !failedToStore, delivery.error == nil { trouble.end("usage events are kept and delivered again") }
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
