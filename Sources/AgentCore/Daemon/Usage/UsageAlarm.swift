import CBPFShim
import Logging

/// A problem of counting, storing or delivering usage. It is logged when it starts, when its text
/// changes, and when it ends.
struct UsageAlarm {
    private let log: Logger
    private(set) var text: String?
    private var since: UInt64?

    init(log: Logger) { self.log = log }

    mutating func begin(_ text: String, level: Logger.Level = .warning) {
        let text = String(text.prefix(500))
        since = since ?? rpa_monotonic_ns()
        if text != self.text { log.log(level: level, "\(text)") }
        self.text = text
    }

    mutating func end(_ news: String) {
        if text != nil { log.notice("\(news)") }
        (text, since) = (nil, nil)
    }

    func lasts(longerThan limit: Duration) -> Bool {
        since.map { rpa_monotonic_ns() - $0 > UInt64(limit / .nanoseconds(1)) } ?? false
    }
}
