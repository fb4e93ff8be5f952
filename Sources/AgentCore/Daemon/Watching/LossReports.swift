import Logging

/// Losses of collectors: each is logged as soon as its cause is known, and kept for the events.
///
/// A killed process closes its sockets one after the other, and its pidfd reports the end only after that
/// (do_exit() in the kernel). The agent reacts to a lost socket at once. Only the log message waits,
/// because its cause may be that the collector has ended.
final class LossReports {
    struct Loss {
        var collector: String
        /// `has lost udp 0.0.0.0:4739`.
        var what: String
        /// What happens to the collector's exporters; nil if another message reports it.
        var fate: String?
        /// `process 812`.
        var process: String
        var hasEnded: () -> Bool
    }

    /// The time to wait from a process's first closed socket to its end.
    static let endTimeout = Duration.milliseconds(100)
    /// In the order in which they happened.
    private var pending: [(loss: Loss, deadline: ContinuousClock.Instant)] = []
    /// The cause of each loss that is logged, by collector.
    private var causes: [String: String] = [:]
    private let log: Logger

    init(log: Logger) { self.log = log }

    /// Collectors whose loss isn't logged yet.
    var pendingCollectors: Set<String> { Set(pending.map(\.loss.collector)) }

    /// When the next loss is logged; nil if none is pending.
    var deadline: ContinuousClock.Instant? { pending.map(\.deadline).min() }

    func add(_ loss: Loss, now: ContinuousClock.Instant) { pending.append((loss, now + Self.endTimeout)) }

    /// Keeps the cause of a loss that another message already logged.
    func note(_ collector: String, _ cause: String) { causes[collector] = cause }

    /// Logs the losses that are due.
    func report(now: ContinuousClock.Instant) { report { $0.deadline <= now } }

    /// Logs the collector's losses now, because its process has ended or another one is registered.
    ///
    /// - Returns: false if none was pending.
    @discardableResult
    func report(of collector: String) -> Bool { report { $0.loss.collector == collector } }

    /// Returns the causes since the last call, by collector.
    func takeCauses() -> [String: String] {
        defer { causes = [:] }
        return causes
    }

    @discardableResult
    private func report(where isDue: ((loss: Loss, deadline: ContinuousClock.Instant)) -> Bool) -> Bool {
        let due = pending.filter(isDue)
        pending.removeAll(where: isDue)
        for (loss, _) in due {
            let cause = loss.hasEnded() ? "has ended" : loss.what
            let text = cause == "has ended" ? "\(cause) (\(loss.process))" : cause
            causes[loss.collector] = text
            let fate = loss.fate.map { ": \($0)" } ?? ""
            // The key is the same for each process.
            log.of(loss.collector, key: cause + fate).warning("collector \(loss.collector) \(text)\(fate)")
        }
        return !due.isEmpty
    }
}
