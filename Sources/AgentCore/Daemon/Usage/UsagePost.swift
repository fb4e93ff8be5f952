import Glibc
import SockArrayCore

/// curl's command line for a batch, and what its end means.
enum UsagePost {
    enum Verdict: Equatable {
        case delivered
        /// Later, perhaps.
        case failed(String)
        /// An answer that the same batch will get again, until somebody does something.
        case refused(String)
    }

    /// `-q` comes first: no .curlrc is read. Redirects are not followed. Without
    /// `--globoff` the brackets of an IPv6 address would be a list of urls.
    static func arguments(_ url: String, headers: String?) -> [String] {
        [
            "curl", "-q", "--silent", "--show-error", "--globoff", "--proto", "=http,https", "--connect-timeout", "10",
            "--max-time",
            "45", "--header", "Content-Type: application/json", "--header", "Expect:",
        ] + (headers.map { ["--header", "@\($0)"] } ?? []) + [
            "--data-binary", "@-", "--output", "/dev/null", "--write-out", "\\n%{http_code}", "--url", url,
        ]
    }

    /// `{"events": [...]}` of JSON lines.
    static func body(_ lines: [UInt8]) -> [UInt8] {
        let list = lines.split(separator: UInt8(ascii: "\n")).joined(separator: [UInt8(ascii: ",")])
        return Array("{\"events\":[".utf8) + list + Array("]}".utf8)
    }

    /// - Parameters:
    ///   - status: wait status.
    ///   - text: what it said, and the answer's code in the last line.
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
            return .refused("the answer was \(code), and redirects are not followed: give the url that it leads to")
        // Too slow, too early, too many: not of the batch.
        case 408, 425, 429: return .failed("the answer was \(code)")
        case 400..<500:
            return .refused(
                "the answer was \(code), which it will be again: look at the url and its headers, and what the "
                    + "receiver takes")
        default: return .failed("the answer was \(code)")
        }
    }

    /// In PATH.
    static var isInstalled: Bool {
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/local/bin:/usr/bin:/bin"
        return path.split(separator: ":").contains { access("\($0)/curl", X_OK) == 0 }
    }
}
