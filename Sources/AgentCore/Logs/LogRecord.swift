import Logging

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
    var utc: String {
        let day = (seconds - Self.modulo(seconds, 86_400)) / 86_400
        let second = Self.modulo(seconds, 86_400)
        let (year, month, date) = Self.civil(day: day)
        func padded(_ value: Int64, _ width: Int) -> String {
            let digits = "\(value)"
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(date, 2))T\(padded(second / 3_600, 2)):"
            + "\(padded(second / 60 % 60, 2)):\(padded(second % 60, 2)).\(padded(Int64(milliseconds), 3))Z"
    }

    /// - Parameter day: days since 1970-01-01, in the Gregorian calendar.
    private static func civil(day: Int64) -> (year: Int64, month: Int64, date: Int64) {
        // Years that begin in March: the leap day is the last one.
        var left = day + 719_468
        let era = (left - modulo(left, 146_097)) / 146_097
        left = modulo(left, 146_097)
        var year = min(left / 365, 399)
        func daysBefore(_ year: Int64) -> Int64 { year * 365 + year / 4 - year / 100 }
        while daysBefore(year) > left { year -= 1 }
        left -= daysBefore(year)
        let lengths: [Int64] = [31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31, 29]
        var month = 0
        while left >= lengths[month] {
            left -= lengths[month]
            month += 1
        }
        return (era * 400 + year + (month >= 10 ? 1 : 0), Int64((month + 2) % 12 + 1), left + 1)
    }

    private static func modulo(_ value: Int64, _ divisor: Int64) -> Int64 {
        (value % divisor + divisor) % divisor
    }
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
