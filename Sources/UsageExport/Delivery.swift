import PoolModel

/// The outcome of an attempt to deliver a batch.
public enum DeliveryVerdict: Equatable, Sendable {
    case delivered
    /// A retry may succeed.
    case failed(String)
    /// The receiver refuses the batch again until somebody changes something.
    case refused(String)
}

/// When the next attempt starts. The pause after a failure is exponential, with jitter, so that the agents
/// of many hosts don't retry at the same time.
public struct DeliveryBackoff: Sendable {
    public static let longest = Duration.seconds(300)

    public private(set) var next = ContinuousClock.Instant.distantPast
    private var failures = 0
    /// Whether a failure of the current attempt is followed by another attempt without a pause.
    private var isUrged = false

    public init() {}

    /// - Parameters:
    ///   - failures: the number of failures in a row, at least 1.
    ///   - chance: a random number from 0 to 1.
    /// - Returns: 50% to 100% of the doubled time.
    public static func pause(after failures: Int, chance: Double) -> Duration {
        let doubled = failures > 20 ? longest : min(longest, .seconds(1) * (1 << max(0, failures - 1)))
        return doubled * (0.5 + 0.5 * min(max(chance, 0), 1))
    }

    /// - Parameter isRefusal: whether a retry is useless until somebody changes something. The pause is at
    ///   least 2 minutes.
    public mutating func fail(
        isRefusal: Bool = false, now: ContinuousClock.Instant, chance: Double = .random(in: 0...1)
    ) {
        failures = (isRefusal ? max(failures, 8) : failures) + 1
        next = isUrged ? now : now + Self.pause(after: failures, chance: chance)
        isUrged = false
    }

    /// - Parameter isBusy: whether an attempt is in progress. If so, the retry follows it.
    public mutating func retryNow(isBusy: Bool) {
        self = DeliveryBackoff()
        isUrged = isBusy
    }
}

extension UsageSettings.Target {
    /// - Parameters:
    ///   - status: the command's wait status.
    ///   - text: the command's output.
    public func verdict(status: Int32, text: String) -> DeliveryVerdict {
        if case .url = self { return UsagePost.verdict(status: status, text: text) }
        if status == 0 { return .delivered }
        let end = status & 0x7f == 0 ? "ended with \(status >> 8 & 0xff)" : "was ended by signal \(status & 0x7f)"
        let said = text.split(separator: "\n").first.map { ": \($0)" } ?? ""
        return .failed("the command \(end)\(said)")
    }
}

/// The command line of curl for a batch, and the meaning of its exit.
public enum UsagePost {
    /// The arguments. `-q` must come first, so that curl reads no .curlrc. curl doesn't follow redirects.
    /// Without `--globoff`, curl takes the brackets of an IPv6 address for a list of URLs.
    public static func arguments(_ url: String, headers: String?) -> [String] {
        [
            "curl", "-q", "--silent", "--show-error", "--globoff", "--proto", "=http,https", "--connect-timeout", "10",
            "--max-time", "45", "--header", "Content-Type: application/json", "--header", "Expect:",
        ] + (headers.map { ["--header", "@\($0)"] } ?? []) + [
            "--data-binary", "@-", "--output", "/dev/null", "--write-out", "\\n%{http_code}", "--url", url,
        ]
    }

    /// The request's body: `{"events": [...]}`, from JSON lines.
    public static func body(_ lines: [UInt8]) -> [UInt8] {
        let list = lines.split(separator: UInt8(ascii: "\n")).joined(separator: [UInt8(ascii: ",")])
        return Array("{\"events\":[".utf8) + list + Array("]}".utf8)
    }

    /// - Parameters:
    ///   - status: the wait status.
    ///   - text: curl's output, with the HTTP status code in the last line.
    public static func verdict(status: Int32, text: String) -> DeliveryVerdict {
        let lines = text.split(separator: "\n")
        let code = lines.last.flatMap { Int($0) } ?? 0
        let said = lines.dropLast().first.map(String.init) ?? ""
        guard status == 0 else {
            let how = status & 0x7f == 0 ? "curl ended with \(status >> 8 & 0xff)" : "curl was killed"
            return .failed(said.isEmpty && code == 0 && !text.isEmpty ? text : said.isEmpty ? how : said)
        }
        switch code {
        case 200..<300: return .delivered
        case 300..<400:
            return .refused("the answer was \(code), and redirects are not followed: set url to where it redirects")
        // Not for timeout, too early, too many requests: the batch itself may be fine.
        case 400..<500 where ![408, 425, 429].contains(code):
            return .refused(
                "the answer was \(code), and a retry gets the same answer: check the url and its headers, and what "
                    + "the receiver accepts")
        default: return .failed("the answer was \(code)")
        }
    }
}

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
