/// How much of a batch is already at the end of the events' file.
public struct UsageTail: Equatable, Sendable {
    /// Number of bytes of the batch that the file ends with.
    public let written: Int
    /// Bytes to cut off at the file's end: the beginning of an event line that isn't in the
    /// batch, or zeros of a lost block after event lines.
    public let torn: Int
    /// The file ends with half a line that isn't an event's: the line stays, and gets a line end.
    public let isForeign: Bool

    /// - Parameters:
    ///   - tail: the end of the file, at least as long as the batch if the file is.
    ///   - isWholeFile: the tail is the whole file.
    ///   - batch: complete lines.
    public init(of tail: [UInt8], isWholeFile: Bool, before batch: [UInt8]) {
        let end = tail.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        let matched = Self.overlap(tail[...], batch)
        // A torn line that the batch begins with belongs to the batch.
        if matched > 0 || end == tail.count {
            (written, torn, isForeign) = (matched, 0, false)
            return
        }
        // A line that is longer than the tail isn't an event's.
        let isOwn = (end > 0 || isWholeFile) && Self.isTorn(tail[end...], after: tail[..<end])
        (written, torn) = (Self.overlap(tail[..<end], batch), isOwn ? tail.count - end : 0)
        isForeign = !isOwn
    }

    /// - Parameter lines: complete lines before the torn one.
    private static func isTorn(_ end: ArraySlice<UInt8>, after lines: ArraySlice<UInt8>) -> Bool {
        let text = end[..<(end.lastIndex { $0 != 0 }.map { $0 + 1 } ?? end.startIndex)]
        guard text.isEmpty else { return beginsEvent(text) }
        let last = lines.dropLast().lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? lines.startIndex
        return !lines.isEmpty && beginsEvent(lines[last...])
    }

    /// Whether the text begins like an event's line, by its first keys.
    private static func beginsEvent(_ text: ArraySlice<UInt8>) -> Bool {
        ["cgroup", "collector"].contains { first in
            var rest = text
            for key in ["{\"\(first)\":\"", ",\"direction\":\"", ",\"event_start_time\":\""] {
                let key = Array(key.utf8)
                guard rest.prefix(key.count).elementsEqual(key.prefix(rest.count)) else { return false }
                rest = afterText(rest.dropFirst(key.count))
            }
            return true
        }
    }

    /// The rest of the text after the closing quotation mark.
    private static func afterText(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var isEscaped = false
        for index in text.indices {
            if text[index] == UInt8(ascii: "\""), !isEscaped { return text[(index + 1)...] }
            isEscaped = !isEscaped && text[index] == UInt8(ascii: "\\")
        }
        return text[text.endIndex...]
    }

    /// The longest end of the text that the batch begins with. Keys make lines
    /// different, so a wrong candidate fails within its first line.
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
