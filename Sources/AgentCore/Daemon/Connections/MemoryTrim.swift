/// When the memory of large answers is returned to the kernel: 1 s after an answer, and then once a
/// second until all of them are sent. Times are CLOCK_MONOTONIC in nanoseconds.
struct MemoryTrim {
    private(set) var deadline: UInt64?
    private static let pause: UInt64 = 1_000_000_000

    /// 1,000 exporters are 150 to 200 KB of JSON, and formatting them takes several times as much.
    static func isLarge(_ bytes: Int) -> Bool { bytes > 64 << 10 }

    mutating func noteLargeAnswer(now: UInt64) { if deadline == nil { deadline = now + Self.pause } }

    func isDue(now: UInt64) -> Bool { deadline.map { $0 <= now } ?? false }

    /// - Parameter largeBytesWait: a part of a large answer is still to be sent.
    mutating func noteDone(largeBytesWait: Bool, now: UInt64) { deadline = largeBytesWait ? now + Self.pause : nil }
}
