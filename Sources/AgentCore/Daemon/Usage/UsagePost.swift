import Glibc

/// The command line of curl for a batch, and the meaning of its exit.
enum UsagePost {
    enum Verdict: Equatable {
        case delivered
        /// A retry may succeed.
        case failed(String)
        /// The receiver refuses the batch again until somebody changes something.
        case refused(String)
    }

    /// The arguments. `-q` must come first, so that curl reads no .curlrc. curl doesn't follow redirects.
    /// Without `--globoff`, curl takes the brackets of an IPv6 address for a list of URLs.
    static func arguments(_ url: String, headers: String?) -> [String] {
        [
            "curl", "-q", "--silent", "--show-error", "--globoff", "--proto", "=http,https", "--connect-timeout", "10",
            "--max-time",
            "45", "--header", "Content-Type: application/json", "--header", "Expect:",
        ] + (headers.map { ["--header", "@\($0)"] } ?? []) + [
            "--data-binary", "@-", "--output", "/dev/null", "--write-out", "\\n%{http_code}", "--url", url,
        ]
    }

    /// The request's body: `{"events": [...]}`, from JSON lines.
    static func body(_ lines: [UInt8]) -> [UInt8] {
        let list = lines.split(separator: UInt8(ascii: "\n")).joined(separator: [UInt8(ascii: ",")])
        return Array("{\"events\":[".utf8) + list + Array("]}".utf8)
    }

    /// - Parameters:
    ///   - status: the wait status.
    ///   - text: curl's output, with the HTTP status code in the last line.
    static func verdict(status: Int32, text: String) -> Verdict {
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
        // Timeout, too early, too many requests: the batch itself may be fine.
        case 408, 425, 429: return .failed("the answer was \(code)")
        case 400..<500:
            return .refused(
                "the answer was \(code), and a retry gets the same answer: check the url and its headers, and what "
                    + "the receiver accepts")
        default: return .failed("the answer was \(code)")
        }
    }

    /// Whether curl is in PATH.
    static var isInstalled: Bool {
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/local/bin:/usr/bin:/bin"
        return path.split(separator: ":").contains { access("\($0)/curl", X_OK) == 0 }
    }
}
