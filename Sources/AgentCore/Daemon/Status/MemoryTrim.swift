/// When memory that large answers took is given back to the kernel: 1 s after one, and
/// then once a second until all of them are sent. All times are CLOCK_MONOTONIC in nanoseconds.
struct MemoryTrim {
    private(set) var deadline: UInt64?
    private static let pause: UInt64 = 1_000_000_000

    /// 1,000 exporters are 150 to 200 KB of JSON, and to make them takes some times that.
    static func isLarge(_ bytes: Int) -> Bool { bytes > 64 << 10 }

    mutating func noteLargeAnswer(now: UInt64) { if deadline == nil { deadline = now + Self.pause } }

    func isDue(now: UInt64) -> Bool { deadline.map { $0 <= now } ?? false }

    /// - Parameter largeBytesWait: some of a large answer is still to be sent.
    mutating func noteDone(largeBytesWait: Bool, now: UInt64) { deadline = largeBytesWait ? now + Self.pause : nil }
}
