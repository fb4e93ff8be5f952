/// The events for one reader, and its output that isn't sent yet.
struct EventStream {
    /// Maximum bytes that may wait before the reader is closed.
    private static let limit = 65_536
    /// Interval of signs of life.
    private static let keepAlive = Duration.seconds(15)

    private let feed: EventFeed
    private var position: EventFeed.Position
    private(set) var output: ArraySlice<UInt8>
    /// When the next sign of life is due.
    private(set) var nextSign: ContinuousClock.Instant

    init(of feed: EventFeed, from position: EventFeed.Position, now: ContinuousClock.Instant) {
        self.feed = feed
        self.position = position
        nextSign = now + Self.keepAlive
        // After a restart of the agent, browsers reconnect after 2 s.
        output = (HTTPResponse.events.bytes() + Array("retry: 2000\n\n".utf8))[...]
    }

    var isTooSlow: Bool { output.count > Self.limit }

    /// Whether the feed has events that aren't in the output.
    var isBehind: Bool { position.isNew || position.number < feed.lastNumber }

    /// Adds the events that are new, and a sign of life if it is due.
    mutating func takeNew(now: ContinuousClock.Instant) {
        for message in feed.messages(for: &position) { output += message }
        guard nextSign <= now else { return }
        output += Array(":\n\n".utf8)
        nextSign = now + Self.keepAlive
    }

    mutating func noteSent(_ count: Int, now: ContinuousClock.Instant) {
        output = output.dropFirst(count)
        if output.isEmpty { output = [] }
        nextSign = now + Self.keepAlive
    }
}
