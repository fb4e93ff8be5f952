import Logging
import PoolModel
import PoolReport

/// The log messages for a failover, a return, and a collector that has never registered. Losses and
/// registrations are logged where they are noticed.
struct CollectorMessages: Equatable {
    var level: Logger.Level
    var text: String
    /// The text without durations (`LogRecord.key`).
    var key: String

    /// - Parameters:
    ///   - rows: the counts of the collector's rows; nil if they are unknown.
    ///   - hasAffinity: whether the exporter's address decides on the collector.
    ///   - isIntended: whether somebody unregistered the collector.
    init?(
        _ entry: PoolHistory.Entry, of collector: PoolConfiguration.Collector, rows: TableStatus.Collector?, total: Int,
        hasAffinity: Bool, hasRegistered: Bool, isIntended: Bool
    ) {
        let count = rows.map { " (\($0.owned) of \(total) rows)" } ?? ""
        let next = CollectorAdvice.nextStep(for: collector, isFirst: !hasRegistered)
        switch entry.kind {
        case .failedOver:
            level = isIntended ? .notice : .warning
            text = "\(entry.text)\(count) until it registers; \(next)"
            key = text
        case .returned:
            let staying = rows.map { $0.owned - ($0.served - $0.servedOfOthers) } ?? 0
            let rest = staying > 0 ? ", of these \(staying) when BMP sessions at other collectors have ended" : ""
            level = .notice
            text = entry.text + count + rest
            key = "is back\(count)\(rest)"
        case .held where !hasRegistered:
            level = .warning
            text = "\(entry.text)\(count)\(hasAffinity ? ", and what comes from them is dropped" : ""); \(next)"
            key = "never registered\(count)"
        case .held, .lost, .registered, .moved, .newExporter: return nil
        }
    }
}
