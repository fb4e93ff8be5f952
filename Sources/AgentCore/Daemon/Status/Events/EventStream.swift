/// What waits to be sent to one reader of events.
struct EventStream {
    /// Bytes that may wait before the reader is given up.
    static let limit = 65_536
    /// Between two signs of life.
    static let keepAlive: UInt64 = 15_000_000_000

    private var position: EventFeed.Position
    private(set) var output: ArraySlice<UInt8> = []
    /// When the next sign of life is due, CLOCK_MONOTONIC in nanoseconds.
    private(set) var nextSign: UInt64

    init(at position: EventFeed.Position, now: UInt64) {
        self.position = position
        nextSign = now + Self.keepAlive
        // Browsers come back after 2 s when the agent is started again.
        output = (HTTPResponse.events.bytes() + Array("retry: 2000\n\n".utf8))[...]
    }

    var isTooSlow: Bool { output.count > Self.limit }

    func isBehind(_ feed: EventFeed) -> Bool { position.isNew || position.number < feed.lastNumber }

    /// Takes what has happened since.
    mutating func take(from feed: EventFeed, now: UInt64) {
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
