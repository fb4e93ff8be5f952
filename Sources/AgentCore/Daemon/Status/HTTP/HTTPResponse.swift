import Glibc

/// A complete answer. Each connection carries one.
struct HTTPResponse {
    let status: Int
    /// Fields of the head: `Name: value`.
    let fields: [String]
    let body: [UInt8]

    /// - Parameters:
    ///   - type: a media type, with a charset for text.
    ///   - policy: the Content-Security-Policy of a page.
    init(_ status: Int = 200, type: String, body: [UInt8], policy: String? = nil, fields: [String] = []) {
        self.status = status
        self.body = body
        self.fields =
            ["Content-Type: \(type)", "Content-Length: \(body.count)"]
            + (policy.map { ["Content-Security-Policy: \($0)", "Referrer-Policy: no-referrer"] } ?? []) + fields
    }

    private init(endless type: String) { (status, fields, body) = (200, ["Content-Type: \(type)"], []) }

    /// The head of a stream of events, which has no end.
    static let events = HTTPResponse(endless: "text/event-stream")

    static func json(_ status: Int, _ value: some Encodable) throws -> HTTPResponse {
        HTTPResponse(status, type: "application/json", body: try JSON.encode(value) + [UInt8(ascii: "\n")])
    }

    /// A sentence as text. Control characters, which may come from the request, are replaced.
    static func problem(_ problem: HTTPProblem, fields: [String] = []) -> HTTPResponse {
        let text = problem.text.unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : $0 }
        return HTTPResponse(
            problem.status, type: "text/plain; charset=utf-8",
            body: Array((String(String.UnicodeScalarView(text)) + "\n").utf8), fields: fields)
    }

    /// - Parameter isHead: leaves out the body. The head still has its length (RFC 9110, 9.3.2).
    func bytes(isHead: Bool = false) -> [UInt8] {
        // The head forbids caches, and the guessing of another media type.
        let lines =
            [
                "HTTP/1.1 \(status) \(Self.reason(status))", "Date: \(Self.date(time(nil)))",
                "Cache-Control: no-store", "X-Content-Type-Options: nosniff", "Connection: close",
            ] + fields
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + (isHead ? [] : body)
    }

    /// The value of the Date field (RFC 9110, 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
    static func date(_ seconds: Int) -> String { TimeText.utc(seconds, "%a, %d %b %Y %H:%M:%S GMT") }

    private static func reason(_ status: Int) -> String {
        [
            200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout",
            413: "Content Too Large", 414: "URI Too Long", 421: "Misdirected Request",
            431: "Request Header Fields Too Large", 500: "Internal Server Error", 503: "Service Unavailable",
            505: "HTTP Version Not Supported",
        ][status] ?? "Status"
    }
}

/// The page at /: the folder page/ of this package as one file (Plugins/EmbedFiles/assemble-page.sh).
extension HTTPResponse {
    static let page = HTTPResponse(type: "text/html; charset=utf-8", body: Embedded_page.bytes, policy: pagePolicy)

    /// What the browser allows the page to do. The policy in the page's own head narrows
    /// 'unsafe-inline' to the hashes of its script and style.
    private static let pagePolicy =
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; "
        + "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
