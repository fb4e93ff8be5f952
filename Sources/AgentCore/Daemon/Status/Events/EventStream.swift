/// The events for one reader, and its output that isn't sent yet.
struct EventStream {
    /// Maximum bytes that may wait before the reader is closed.
    private static let limit = 65_536
    /// Interval of signs of life, in nanoseconds.
    private static let keepAlive: UInt64 = 15_000_000_000

    private let feed: EventFeed
    private var position: EventFeed.Position
    private(set) var output: ArraySlice<UInt8>
    /// When the next sign of life is due, CLOCK_MONOTONIC in nanoseconds.
    private(set) var nextSign: UInt64

    init(of feed: EventFeed, from position: EventFeed.Position, now: UInt64) {
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
    mutating func takeNew(now: UInt64) {
        for message in feed.messages(for: &position) { output += message }
        guard nextSign <= now else { return }
        output += Array(":\n\n".utf8)
        nextSign = now + Self.keepAlive
    }

    mutating func noteSent(_ count: Int, now: UInt64) {
        output = output.dropFirst(count)
        if output.isEmpty { output = [] }
        nextSign = now + Self.keepAlive
    }
}
