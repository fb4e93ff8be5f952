import Glibc
import Logging
import Synchronization

/// The log of a process: summarizes repeated messages, and never waits for its reader. The log
/// is an event source of the agent's loop, which writes due summaries and waiting messages even
/// when nothing else is logged.
package final class AgentLog: Sendable {
    private struct State: ~Copyable {
        var repeated = RepeatedMessages()
        var output: LogOutput
        /// When the agent tries again to write messages that wait for journald.
        var retry = ContinuousClock.Instant.distantPast
    }

    private static let retryPause = Duration.milliseconds(100)
    private let state: Mutex<State>
    private let pool: String?
    private let level: Logger.Level

    package init(format: LogFormat, level: Logger.Level, pool: String?) {
        // A reader that went away is an error of write(2), not the end.
        signal(SIGPIPE, SIG_IGN)
        state = Mutex(State(output: LogOutput(format: format)))
        self.level = level
        self.pool = pool
    }

    package var logger: Logger {
        Logger(label: "reuseport-agent") { [self] _ in AgentLogHandler(log: self, logLevel: level) }
    }

    func take(_ level: Logger.Level, _ message: String, _ fields: [LogRecord.Field], key: String?) {
        let record = LogRecord(
            time: LogTime(seconds: 0, milliseconds: 0), level: level, message: message, pool: pool, fields: fields,
            key: key)
        state.withLock { state in
            let records = state.repeated.take(record, now: ContinuousClock.now)
            write(records, to: &state)
        }
    }

    /// Writes all summaries and waiting messages, for 200 ms at most. Call this last.
    package func finish() {
        let end = ContinuousClock.now + .milliseconds(200)
        state.withLock { state in write(state.repeated.end(now: ContinuousClock.now), to: &state) }
        while ContinuousClock.now < end {
            let isWaiting = state.withLock { state in
                state.output.proceed()
                return state.output.isWaiting
            }
            guard isWaiting else { return }
            usleep(5_000)
        }
    }

    private func write(_ records: [LogRecord], to state: inout State) {
        for record in records { state.output.write(stamped(record)) }
        tellLosses(&state)
    }

    /// When there is room again.
    private func tellLosses(_ state: inout State) {
        state.output.writeLosses { count in
            stamped(
                LogRecord(
                    time: LogTime(seconds: 0, milliseconds: 0), level: .warning,
                    message: "messages of this log were lost, because nobody took them: \(count)", pool: pool))
        }
    }

    private func stamped(_ record: LogRecord) -> LogRecord {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        var record = record
        record.time = LogTime(seconds: Int64(time.tv_sec), milliseconds: Int(time.tv_nsec) / 1_000_000)
        return record
    }
}

extension AgentLog: EventSource {
    var waits: [pollfd] { [pollfd(writing: state.withLock { $0.output.polled })] }

    var nextDeadline: ContinuousClock.Instant? {
        state.withLock { state in
            let retry = state.output.needsRetry ? state.retry : nil
            return [retry, state.repeated.nextDeadline].compactMap(\.self).min()
        }
    }

    package func serve(_ results: ArraySlice<pollfd>, now: ContinuousClock.Instant) {
        state.withLock { state in
            write(state.repeated.due(now: now), to: &state)
            guard state.output.isWaiting else { return }
            state.retry = now + Self.retryPause
            state.output.proceed()
            tellLosses(&state)
        }
    }
}

/// What swift-log hands its messages to.
struct AgentLogHandler: LogHandler {
    /// The metadata that is `LogRecord.key`, and not a field.
    static let keyName = "messageKey"
    let log: AgentLog
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    init(log: AgentLog, logLevel: Logger.Level) {
        self.log = log
        self.logLevel = logLevel
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let (fields, key) = Self.fields(of: metadata.merging(event.metadata ?? [:]) { $1 })
        log.take(event.level, "\(event.message)", fields, key: key)
    }

    static func fields(of metadata: Logger.Metadata) -> (fields: [LogRecord.Field], key: String?) {
        var metadata = metadata
        let key = metadata.removeValue(forKey: keyName).map { "\(metadata["collector"] ?? "") \($0)" }
        let sorted = metadata.sorted { $0.key < $1.key }
        return (sorted.map { LogRecord.Field(name: $0.key, value: "\($0.value)") }, key)
    }
}
