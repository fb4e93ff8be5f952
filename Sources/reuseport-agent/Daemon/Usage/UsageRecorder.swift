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
    private let log: Logger
    /// Ahead of the disk's by the events that are open.
    private var ledger: UsageLedger
    /// Counted, and not on the disk yet.
    private var open: [UsageEvent] = []
    /// There is no ledger on the disk, or not of this pool.
    private var isUnwritten = false
    /// Sources of the last reading that count no more: pinned until it is on the disk.
    private var departed: Set<UInt32> = []
    private var next: UInt64
    private var error: String?
    private var said: String?
    private var failingSince: UInt64?

    /// Goes on from what an agent before left, or counts from now on.
    init(
        _ settings: UsageSettings, pool: String, from content: UsageFolder.Content, counters: UsageCounters, log: Logger
    ) throws(Failure) {
        self.settings = settings
        self.counters = counters
        self.log = log
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
        try checkFolder(settings, makes: true)
        return try UsageFolder(path: settings.folder).load(pool: pool)
    }

    /// What is written at the moment.
    func settle(until deadline: UInt64) { proceed(until: deadline) { isIdle } }

    var folder: String { settings.folder }

    /// Nothing is written, and nothing is under way to the target.
    var isIdle: Bool { !queue.isBusy && !delivery.isBusy }

    /// Why what is under way has no thread: positive errno.
    var threadRefusal: Int32? { queue.threadRefusal ?? delivery.threadRefusal }

    /// A thread reads or writes.
    var isOnDisk: Bool { queue.isBusy || delivery.isOnDisk }

    /// Not configured any more: what is under way comes to its end, and nothing else.
    func serveEnd(now: UInt64) {
        queue.proceed()
        delivery.proceed(now: now, begins: false)
    }

    /// While `serveEnd` is what is to be done.
    var endDeadline: UInt64? { queue.nextDeadline ?? (delivery.isBusy ? delivery.nextDeadline : nil) }

    /// What only this machine can tell of a configuration. Nothing is made.
    ///
    /// - Parameter awaitsFolder: a file of events whose folder isn't there is waited for.
    /// - Returns: that it isn't there.
    /// - Throws: `.usage` where no folder can be, or no file of events.
    @discardableResult
    static func check(_ settings: UsageSettings, awaitsFolder: Bool) throws(Failure) -> Failure? {
        try checkFolder(settings, makes: false)
        guard let file = FileTargetCheck(settings), case .homeless(let failure) = try file.finding() else { return nil }
        guard awaitsFolder else { throw failure }
        return failure
    }

    /// - Parameter makes: it is made, if it isn't there.
    /// - Throws: `.usage` where no folder can be.
    static func checkFolder(_ settings: UsageSettings, makes: Bool) throws(Failure) {
        let error = makes ? DurableFile.makeFolder(settings.folder) : DurableFile.probeFolder(settings.folder)
        // A disk that is full may have room later.
        guard error != 0, error != ENOSPC else { return }
        throw Failure(
            .usage, act: "use the folder of usage events \(settings.folder)", cause: "it can't be made or written",
            errno: error, remedy: "make it for the agent's user, or give another one as queue: {folder: ...}")
    }

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
            !queue.isBusy && !delivery.isBusy && (!isFile || queue.head == nil || error != nil)
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
            fail("\(error)")
        }
    }

    /// Nothing is lost if it fails: the next attempt has these events, and what came since.
    private func store() {
        if !queue.isBusy, !isUnwritten, open.isEmpty { forgetDeparted() }
        // Once for each reading.
        guard !queue.isBusy, isUnwritten || !open.isEmpty, lastAttempt != ledger.stop else { return }
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
            fail("events can't be kept in \(settings.folder) (\(ErrnoName.of(error.errno))); they are counted on")
        }
    }

    private func tellUnsettled(_ number: Int32) {
        fail(
            "events are kept in \(settings.folder), which could not be synced (\(ErrnoName.of(number))): "
                + "a crash of the machine may lose the last ones; look at the disk")
    }

    /// All that the last reading found is on the disk.
    private func forgetDeparted() {
        counters.forget(departed)
        departed = []
    }

    private var lastAttempt: UnixTime?
    private var failedToStore = false

    private func tell(_ verdict: UsagePost.Verdict) {
        switch verdict {
        case .delivered: recover()
        case .failed(let text): fail("usage events can't be delivered: \(text)")
        case .refused(let text):
            fail("usage events are refused, and wait in \(settings.folder): \(text)", level: .error)
        }
    }

    private func recover() {
        guard !failedToStore, delivery.error == nil else { return }
        if said != nil { log.notice("usage events are kept and delivered again") }
        (error, said, failingSince) = (nil, nil, nil)
    }

    private func fail(_ text: String, level: Logger.Level = .warning) {
        error = String(text.prefix(500))
        failingSince = failingSince ?? rpa_monotonic_ns()
        if said != error { log.log(level: level, "\(text)") }
        said = error
    }

    var status: UsageStatus {
        let overdue = max(600_000_000_000, 10 * UInt64(settings.interval / .nanoseconds(1)))
        return UsageStatus(
            pendingEvents: queue.pendingEvents + open.count,
            pendingBytesOnDisk: queue.pendingEvents > 0 ? queue.bytes : 0,
            lastDelivery: delivery.lastDelivery, lastError: error ?? counters.error,
            isOverdue: failingSince.map { rpa_monotonic_ns() - $0 > overdue } ?? false)
    }

    private static func time() -> UnixTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UnixTime(milliseconds: Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000)
    }
}
