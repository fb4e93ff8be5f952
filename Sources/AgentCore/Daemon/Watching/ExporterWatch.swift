import CBPFShim
import Glibc
import Logging
import SockArrayCore

/// Hears from the program which exporters are new or have moved, and keeps the pace
/// at which it tells.
final class ExporterWatch: EventSource {
    private let pool: RunningPool
    private let log: Logger
    private var pause = NewsPause()
    /// When the pace is looked at again.
    private var next: UInt64 = 0
    private var interval: Duration
    private var configured: Tracking
    /// Until then events are left to gather: each would wake the whole loop.
    private var deafUntil: UInt64?
    private static let deafness: UInt64 = 200_000_000
    /// Exporters that were told of since the last look.
    private var count = 0
    private let act = "watch the exporters"

    init(pool: RunningPool, log: Logger) {
        self.pool = pool
        self.log = log
        configured = pool.plane.configuration.tracking
        interval = configured.interval
    }

    private var events: SightingEvents { pool.plane.sightingEvents }

    var waits: [pollfd] {
        guard deafUntil == nil, let number = events.number else { return [] }
        return [pollfd(fd: number, events: Int16(POLLIN), revents: 0)]
    }

    var nextDeadline: UInt64? {
        guard pool.plane.configuration.tracking.size > 0 else { return nil }
        return [pause.end, deafUntil, next].compactMap(\.self).min()
    }

    func serve(_ results: ArraySlice<pollfd>, now: UInt64) {
        if results.contains(where: { $0.revents != 0 }) || isDue(deafUntil, now) { takeEvents(now: now) }
        if pool.plane.configuration.tracking != configured {
            configured = pool.plane.configuration.tracking
            (interval, next, count) = (configured.interval, 0, 0)
            pool.activeExporters = nil
        }
        if let summary = pause.summary(now: now) { pool.note(.newExporter, summary) }
        guard next <= now else { return }
        do { try pool.plane.adjustSamplingInterval(act: act) } catch { log.error("\(error)") }
        let isExact = pool.plane.configuration.tracking.interval == .zero
        if next > 0 { pool.activeExporters = isExact ? nil : count }
        // What many events passed through.
        if count > 1_000 { rpa_trim_memory() }
        count = 0
        tellOfPace()
        next = now + UInt64(max(pool.plane.samplingInterval, .seconds(1)) / .nanoseconds(1))
    }

    private func isDue(_ deadline: UInt64?, _ now: UInt64) -> Bool { deadline.map { $0 <= now } ?? false }

    /// Some at a time: others wait meanwhile.
    private func takeEvents(now: UInt64) {
        let events = self.events.next()
        for event in events { take(event, now: now) }
        deafUntil = events.isEmpty || events.count == SightingEvents.most ? nil : now + Self.deafness
    }

    private func take(_ event: SightingEvents.Event, now: UInt64) {
        count += 1
        let collector = event.slot.map { pool.plane.name(of: $0) }
        switch event.former {
        case .new:
            guard pause.maySay(now: now) else { return }
            let place = collector.map { "it is at \($0)" } ?? "nobody gets it now"
            pool.note(
                .newExporter, collector: collector, exporter: "\(event.address)",
                "exporter \(event.address) is new: \(place)")
        case .told(let former):
            guard let collector, let former, former != event.slot, pool.plane.table.assignment.hasAffinity else {
                return
            }
            guard pause.maySay(now: now) else { return }
            pool.note(
                .moved, collector: collector, exporter: "\(event.address)",
                "exporter \(event.address) is at \(collector), and was at \(pool.plane.name(of: former))")
        }
    }

    private func tellOfPace() {
        let now = pool.plane.samplingInterval
        defer { interval = now }
        guard now != interval else { return }
        if now > interval {
            log.warning(
                "more exporters send than there is room for: some are counted together, and the agent hears of each every \(now) at most; if they are no flood, raise size in tracking: {size: \(configured.size)}"
            )
        } else {
            log.notice("fewer exporters send: the agent hears of each every \(now) at most")
        }
    }
}

/// Says the first of a second's news one by one, and how many more there were.
struct NewsPause {
    static let perSecond = 20
    private var said = 0
    private var unsaid = 0
    /// Of the second that is under way, CLOCK_MONOTONIC in nanoseconds.
    private(set) var end: UInt64?

    mutating func maySay(now: UInt64) -> Bool {
        if end == nil { (end, said) = (now + 1_000_000_000, 0) }
        said += 1
        if said > Self.perSecond { unsaid += 1 }
        return said <= Self.perSecond
    }

    /// What remained to be said of the second that is over.
    mutating func summary(now: UInt64) -> String? {
        guard let end, end <= now else { return nil }
        defer { (self.end, unsaid) = (nil, 0) }
        return unsaid == 0 ? nil : "\(unsaid) more exporters are new or have moved"
    }
}
