/// What the end of the events' file says of a batch that may have been written there.
public struct UsageTail: Equatable, Sendable {
    /// Bytes of the batch that the file ends with.
    public let written: Int
    /// Bytes at the file's end that are no whole line, and not the batch's: to be cut off.
    public let torn: Int

    /// - Parameters:
    ///   - tail: the end of the file, at least as long as the batch where the file is.
    ///   - isWholeFile: the tail is all of it.
    ///   - batch: lines, the last one ended.
    public init(of tail: [UInt8], isWholeFile: Bool, before batch: [UInt8]) {
        let end = Self.whole(tail, isWholeFile: isWholeFile)
        let matched = Self.overlap(tail[...], batch)
        // A torn line that the batch begins with is the batch's.
        if matched > 0 || end == tail.count {
            (written, torn) = (matched, 0)
        } else {
            (written, torn) = (Self.overlap(tail[..<end], batch), tail.count - end)
        }
    }

    /// Where the last whole line ends.
    private static func whole(_ tail: [UInt8], isWholeFile: Bool) -> Int {
        if let last = tail.lastIndex(of: UInt8(ascii: "\n")) { return last + 1 }
        // A line longer than the batch is none of ours: it stays.
        return isWholeFile ? 0 : tail.count
    }

    /// The longest end of the text that the batch begins with. Keys make lines
    /// different, so that a candidate fails within its first line.
    private static func overlap(_ text: ArraySlice<UInt8>, _ batch: [UInt8]) -> Int {
        guard let first = batch.first else { return 0 }
        var start = max(text.startIndex, text.endIndex - batch.count)
        while start < text.endIndex {
            guard let candidate = text[start...].firstIndex(of: first) else { return 0 }
            let isBegin = candidate == text.startIndex || text[candidate - 1] == UInt8(ascii: "\n")
            if isBegin, text[candidate...].elementsEqual(batch[..<(text.endIndex - candidate)]) {
                return text.endIndex - candidate
            }
            start = candidate + 1
        }
        return 0
    }
}
