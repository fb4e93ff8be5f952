import Logging

/// What has happened to collectors that were lost: for the log, as soon as there are
/// words for it, and for the events.
final class CollectorLosses {
    /// What has happened to a collector that somebody takes out.
    static let unregistered = "was unregistered"

    private var untold = PendingLossReports()
    /// By name, for the events that tell of them.
    private var texts: [String: String] = [:]
    private let log: Logger

    init(log: Logger) { self.log = log }

    func add(_ loss: PendingLossReports.Loss, now: UInt64) { untold.add(loss, now: now) }

    /// It is in the log by other words.
    func note(_ collector: String, _ text: String) { texts[collector] = text }

    /// Who was lost and is not told of yet.
    var untoldCollectors: Set<String> { untold.collectors }

    /// When something is to be told; nil: nothing waits.
    var deadline: UInt64? { untold.deadline }

    /// Those that have waited long enough.
    func tell(now: UInt64) { tell(untold.take(now: now)) }

    /// - Returns: false if it was told before.
    @discardableResult
    func tell(of collector: String) -> Bool {
        let losses = untold.take(of: collector)
        tell(losses)
        return !losses.isEmpty
    }

    /// What was told since the last time.
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
