/// Sums repeated messages. The first message of a subject (`LogRecord.subject`) is written at
/// once. Repetitions within a minute are counted, and one record at the end of the minute reports them.
struct RepeatedMessages {
    /// Time from a message, or from the previous sum, to the next sum.
    static let window = Duration.seconds(60)
    /// Subjects that are remembered. One more sums up the oldest before its minute is over.
    static let capacity = 256

    private struct Repetition {
        var last: LogRecord
        var count = 0
        var start: ContinuousClock.Instant
    }

    private var repetitions: [String: Repetition] = [:]
    /// The subjects, by the start of their minute.
    private var order: [String] = []

    /// - Returns: the records to write now: sums that are due, and the record unless it is a repetition.
    mutating func take(_ record: LogRecord, now: ContinuousClock.Instant) -> [LogRecord] {
        var records = due(now: now)
        let subject = record.subject
        if repetitions[subject] != nil {
            repetitions[subject]!.count += 1
            repetitions[subject]!.last = record
            return records
        }
        if order.count >= Self.capacity { records += sum(of: removeOldest(), now: now) }
        start(record, now: now)
        return records + [record]
    }

    /// The sums of the subjects whose minute is over. A subject without repetitions is forgotten.
    mutating func due(now: ContinuousClock.Instant) -> [LogRecord] {
        var records: [LogRecord] = []
        while let deadline = nextDeadline, deadline <= now {
            let repetition = removeOldest()
            records += sum(of: repetition, now: now)
            if repetition.count > 0 { start(repetition.last, now: now) }
        }
        return records
    }

    /// All sums, at the end of the log.
    mutating func end(now: ContinuousClock.Instant) -> [LogRecord] {
        defer { (repetitions, order) = ([:], []) }
        return order.flatMap { sum(of: repetitions[$0]!, now: now) }
    }

    /// When `due` has something to do.
    var nextDeadline: ContinuousClock.Instant? { order.first.map { repetitions[$0]!.start + Self.window } }

    private mutating func start(_ record: LogRecord, now: ContinuousClock.Instant) {
        repetitions[record.subject] = Repetition(last: record, start: now)
        order.append(record.subject)
    }

    private mutating func removeOldest() -> Repetition { repetitions.removeValue(forKey: order.removeFirst())! }

    private func sum(of repetition: Repetition, now: ContinuousClock.Instant) -> [LogRecord] {
        guard repetition.count > 0 else { return [] }
        var record = repetition.last
        let seconds = (now - repetition.start + .milliseconds(500)).components.seconds
        let times = repetition.count == 1 ? "once" : "\(repetition.count) times"
        record.message += " (repeated \(times) in \(seconds) s)"
        return [record]
    }
}
