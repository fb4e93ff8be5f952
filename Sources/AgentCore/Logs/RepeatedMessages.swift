import Logging

/// Sums what is said again and again: a message is written when it comes first; what
/// comes of the same within a minute is counted, and told in one record at its end.
struct RepeatedMessages {
    /// Nanoseconds from a message, or from the sum before, to the sum.
    static let window: UInt64 = 60_000_000_000
    /// Different messages that are remembered; of more, the oldest are summed early.
    static let capacity = 256

    private struct Repetition {
        var last: LogRecord
        var count = 0
        var start: UInt64
    }

    private var repetitions: [String: Repetition] = [:]

    /// - Parameter now: CLOCK_MONOTONIC in nanoseconds.
    /// - Returns: what is to be written now: the record, or nothing, after sums that are due.
    mutating func take(_ record: LogRecord, now: UInt64) -> [LogRecord] {
        var records = due(now: now)
        let subject = record.subject
        if repetitions[subject] != nil {
            repetitions[subject]!.count += 1
            repetitions[subject]!.last = record
            return records
        }
        if repetitions.count >= Self.capacity, let oldest = repetitions.min(by: { $0.value.start < $1.value.start }) {
            repetitions[oldest.key] = nil
            records += sum(of: oldest.value, now: now)
        }
        repetitions[subject] = Repetition(last: record, start: now)
        return records + [record]
    }

    /// The sums of those whose minute is over. One that was not repeated in it is forgotten.
    mutating func due(now: UInt64) -> [LogRecord] {
        guard let next = nextDeadline, next <= now else { return [] }
        var records: [LogRecord] = []
        for (subject, repetition) in sorted() where now >= repetition.start + Self.window {
            records += sum(of: repetition, now: now)
            repetitions[subject] = repetition.count == 0 ? nil : Repetition(last: repetition.last, start: now)
        }
        return records
    }

    /// All sums, at the end of the log.
    mutating func end(now: UInt64) -> [LogRecord] {
        defer { repetitions = [:] }
        return sorted().flatMap { sum(of: $0.value, now: now) }
    }

    /// When `due` has something to do.
    var nextDeadline: UInt64? { repetitions.values.map { $0.start + Self.window }.min() }

    private func sorted() -> [(key: String, value: Repetition)] {
        repetitions.sorted { ($0.value.start, $0.key) < ($1.value.start, $1.key) }
    }

    private func sum(of repetition: Repetition, now: UInt64) -> [LogRecord] {
        guard repetition.count > 0 else { return [] }
        var record = repetition.last
        let seconds = (now - repetition.start + 500_000_000) / 1_000_000_000
        let times = repetition.count == 1 ? "once" : "\(repetition.count) times"
        record.message += " (repeated \(times) in \(seconds) s)"
        return [record]
    }
}
