/// When the memory of large answers is returned to the kernel: 1 s after an answer, and then once a
/// second until all of them are sent.
struct MemoryTrim {
    private(set) var deadline: ContinuousClock.Instant?
    private static let pause = Duration.seconds(1)

    /// 1,000 exporters are 150 to 200 KB of JSON, and formatting them takes several times as much.
    static func isLarge(_ bytes: Int) -> Bool { bytes > 64 << 10 }

    mutating func noteLargeAnswer(now: ContinuousClock.Instant) { if deadline == nil { deadline = now + Self.pause } }

    /// - Parameter largeBytesWait: a part of a large answer is still to be sent.
    mutating func noteDone(largeBytesWait: Bool, now: ContinuousClock.Instant) {
        deadline = largeBytesWait ? now + Self.pause : nil
    }
}
