import CBPFShim
import Glibc
import Logging
import PoolModel
import SockArrayCore

/// Receives the program's notifications of new and moved exporters, and controls their rate.
final class ExporterWatch: EventSource {
    private let pool: RunningPool
    private let log: Logger
    private var pause = NewsPause()
    /// When the rate is checked next; `distantPast` before the first check.
    private var next = ContinuousClock.Instant.distantPast
    private var interval: Duration
    private var configured: Tracking
    /// Until then notifications accumulate: each would wake the agent's loop.
    private var deafUntil: ContinuousClock.Instant?
    private static let deafness = Duration.milliseconds(200)
    /// Notifications since the last check of the rate.
    private var count = 0
    private let act = "watch the exporters"

    init(pool: RunningPool, log: Logger) {
        self.pool = pool
        self.log = log
        configured = pool.kernel.configuration.tracking
        interval = configured.interval
    }

    private var events: ExporterEvents { pool.kernel.exporterEvents }

    var waits: [pollfd] { [pollfd(reading: deafUntil == nil ? events.number : nil)] }

    var nextDeadline: ContinuousClock.Instant? {
        guard pool.kernel.configuration.tracking.size > 0 else { return nil }
        return [pause.end, deafUntil, next].compactMap(\.self).min()
    }

    func serve(_ results: ArraySlice<pollfd>, now: ContinuousClock.Instant) {
        if results.contains(where: { $0.revents != 0 }) || deafUntil.isDue(at: now) { takeEvents(now: now) }
        if pool.kernel.configuration.tracking != configured {
            configured = pool.kernel.configuration.tracking
            (interval, next, count) = (configured.interval, .distantPast, 0)
            pool.activeExporters = nil
        }
        if let summary = pause.summary(now: now) { pool.note(.newExporter, summary) }
        guard next <= now else { return }
        do { try pool.kernel.adjustSamplingInterval(act: act) } catch { log.error("\(error)") }
        let isExact = pool.kernel.configuration.tracking.interval == .zero
        if next != .distantPast { pool.activeExporters = isExact ? nil : count }
        // Many notifications used a lot of memory.
        if count > 1_000 { rpa_trim_memory() }
        count = 0
        logInterval()
        next = now + max(pool.kernel.samplingInterval, .seconds(1))
    }

    /// Takes a limited number of notifications, because other event sources wait.
    private func takeEvents(now: ContinuousClock.Instant) {
        let events = self.events.next()
        for event in events { take(event, now: now) }
        deafUntil = events.isEmpty || events.count == ExporterEvents.most ? nil : now + Self.deafness
    }

    private func take(_ event: ExporterEvents.Event, now: ContinuousClock.Instant) {
        count += 1
        let collector = event.slot.map { pool.kernel.name(of: $0) }
        switch event.former {
        case .new:
            guard pause.maySay(now: now) else { return }
            let place = collector.map { "it is at \($0)" } ?? "no collector receives it"
            pool.note(
                .newExporter, collector: collector, exporter: "\(event.address)",
                "exporter \(event.address) is new: \(place)")
        case .notified(let former):
            guard let collector, let former, former != event.slot, pool.kernel.table.assignment.hasAffinity else {
                return
            }
            guard pause.maySay(now: now) else { return }
            pool.note(
                .moved, collector: collector, exporter: "\(event.address)",
                "exporter \(event.address) is at \(collector), and was at \(pool.kernel.name(of: former))")
        }
    }

    private func logInterval() {
        let now = pool.kernel.samplingInterval
        defer { interval = now }
        guard now != interval else { return }
        if now > interval {
            log.warning(
                "more exporters send than tracking has room for: some are counted together, and the agent is notified of each at most every \(now); unless they are a flood, raise size in tracking: {size: \(configured.size)}"
            )
        } else {
            log.notice("fewer exporters send: the agent is notified of each at most every \(now)")
        }
    }
}

/// Limits the exporter events to the first 20 of each second and a count of the others.
struct NewsPause {
    static let perSecond = 20
    private var said = 0
    private var unsaid = 0
    /// The end of the current second.
    private(set) var end: ContinuousClock.Instant?

    mutating func maySay(now: ContinuousClock.Instant) -> Bool {
        if end == nil { (end, said) = (now + .seconds(1), 0) }
        said += 1
        if said > Self.perSecond { unsaid += 1 }
        return said <= Self.perSecond
    }

    /// The count of the others, once the second is over; nil if there are none.
    mutating func summary(now: ContinuousClock.Instant) -> String? {
        guard let end, end <= now else { return nil }
        defer { (self.end, unsaid) = (nil, 0) }
        return unsaid == 0 ? nil : "\(unsaid) more exporters are new or have moved"
    }
}
