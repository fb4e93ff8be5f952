import Logging
import PoolModel

/// One message of the log, and what is known of it.
package struct LogRecord: Equatable, Sendable {
    struct Field: Equatable, Sendable {
        var name: String
        var value: String
    }

    package var time: LogTime
    package var level: Logger.Level
    var message: String
    package var pool: String?
    /// The message's own metadata, in the order of their names.
    var fields: [Field] = []

    /// Given where the text has parts that differ each time, such as the number of a process or a
    /// duration: the part that stays the same. Only compared, never written.
    var key: String?

    /// Equal for records that repeat each other.
    var subject: String { "\(level) \(key ?? message)" }
}

/// A moment of CLOCK_REALTIME.
package struct LogTime: Equatable, Sendable {
    /// Unix time.
    package var seconds: Int64
    package var milliseconds: Int

    /// `2026-11-21T17:02:46.007Z` (RFC 3339).
    var utc: String { UnixTime(milliseconds: seconds * 1_000 + Int64(milliseconds)).text }
}

extension Logger.Level {
    /// As syslog(3) counts them: 7 debug … 3 error, 2 critical.
    var priority: Int {
        switch self {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }
}
