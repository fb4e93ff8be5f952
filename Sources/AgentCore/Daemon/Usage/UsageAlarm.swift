import Logging

/// A problem of counting, storing or delivering usage. It is logged when it starts, when its text
/// changes, and when it ends.
struct UsageAlarm {
    private let log: Logger
    private(set) var text: String?
    private var since: ContinuousClock.Instant?

    init(log: Logger) { self.log = log }

    mutating func begin(_ text: String, level: Logger.Level = .warning) {
        let text = String(text.prefix(500))
        since = since ?? ContinuousClock.now
        if text != self.text { log.log(level: level, "\(text)") }
        self.text = text
    }

    mutating func end(_ news: String) {
        if text != nil { log.notice("\(news)") }
        (text, since) = (nil, nil)
    }

    func lasts(longerThan limit: Duration) -> Bool {
        since.map { ContinuousClock.now - $0 > limit } ?? false
    }
}
