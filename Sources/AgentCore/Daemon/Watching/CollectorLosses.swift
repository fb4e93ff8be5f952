import Logging

/// Logs the losses of collectors, as soon as their cause is known, and keeps the texts for the events.
final class CollectorLosses {
    /// The text for a collector that somebody unregistered.
    static let unregistered = "was unregistered"

    private var pending = PendingLossReports()
    /// The cause of each loss, by collector. Events show it.
    private var texts: [String: String] = [:]
    private let log: Logger

    init(log: Logger) { self.log = log }

    func add(_ loss: PendingLossReports.Loss, now: UInt64) { pending.add(loss, now: now) }

    /// Keeps the text of a loss that another message already logged.
    func note(_ collector: String, _ text: String) { texts[collector] = text }

    /// Collectors whose loss isn't logged yet.
    var pendingCollectors: Set<String> { pending.collectors }

    /// When the next loss is logged; nil if none is pending.
    var deadline: UInt64? { pending.deadline }

    /// Logs the losses that are due.
    func tell(now: UInt64) { tell(pending.take(now: now)) }

    /// Logs the collector's losses now.
    ///
    /// - Returns: false if none was pending.
    @discardableResult
    func tell(of collector: String) -> Bool {
        let losses = pending.take(of: collector)
        tell(losses)
        return !losses.isEmpty
    }

    /// Returns the texts since the last call, by collector.
    func take() -> [String: String] {
        defer { texts = [:] }
        return texts
    }

    private func tell(_ losses: [PendingLossReports.Told]) {
        for loss in losses {
            texts[loss.collector] = loss.what
            let fate = loss.fate.map { ": \($0)" } ?? ""
            log.of(loss.collector, key: loss.cause + fate).warning(
                "collector \(loss.collector) \(loss.what)\(fate)")
        }
    }
}
