/// The head of an HTTP/1.x request (RFC 9112), as far as a read-only server
/// needs it: header fields are checked for form and not kept, bodies not read.
struct HTTPRequest: Equatable {
    var method: String
    /// Without the query.
    var path: String

    enum Parsed: Equatable {
        case incomplete
        case malformed
        case request(HTTPRequest)
    }

    static func parse(_ bytes: [UInt8]) -> Parsed {
        guard let end = headEnd(in: bytes) else {
            // What can't become a request is refused before its end.
            return bytes.first.map { isTokenByte($0) } ?? true ? .incomplete : .malformed
        }
        let lines = bytes[..<end].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .map { $0.last == UInt8(ascii: "\r") ? $0.dropLast() : $0 }
        guard let first = lines.first else { return .malformed }
        let words = first.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard words.count == 3, !words[0].isEmpty, words[0].allSatisfy(isTokenByte),
            words[1].first == UInt8(ascii: "/"), words[1].allSatisfy({ (0x21...0x7e).contains($0) }),
            words[2].elementsEqual("HTTP/1.1".utf8) || words[2].elementsEqual("HTTP/1.0".utf8),
            lines.dropFirst().allSatisfy(isField)
        else { return .malformed }
        let target = String(decoding: words[1], as: UTF8.self)
        return .request(
            HTTPRequest(
                method: String(decoding: words[0], as: UTF8.self),
                path: String(target.prefix { $0 != "?" })))
    }

    /// Index of the empty line's line end before it.
    private static func headEnd(in bytes: [UInt8]) -> Int? {
        var index = 0
        while let newline = bytes[index...].firstIndex(of: UInt8(ascii: "\n")) {
            let rest = bytes[(newline + 1)...]
            if rest.first == UInt8(ascii: "\n") || rest.starts(with: "\r\n".utf8) { return newline }
            index = newline + 1
        }
        return nil
    }

    private static func isField(_ line: ArraySlice<UInt8>) -> Bool {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex else { return false }
        return line[..<colon].allSatisfy(isTokenByte) && !line.contains(0)
    }

    /// RFC 9110, 5.6.2.
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}

struct HTTPResponse {
    let bytes: [UInt8]

    private init(_ status: Int, type: String, headers: [String] = [], body: [UInt8]) {
        let lines =
            [
                "HTTP/1.1 \(status) \(Self.reason(status))", "Content-Type: \(type)", "Content-Length: \(body.count)",
                "Cache-Control: no-store", "Connection: close",
            ] + headers
        bytes = Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + body
    }

    static func json(_ status: Int, _ value: some Encodable) throws -> HTTPResponse {
        HTTPResponse(status, type: "application/json", body: try JSON.encode(value) + [UInt8(ascii: "\n")])
    }

    static func error(_ status: Int, _ text: String, headers: [String] = []) -> HTTPResponse {
        HTTPResponse(status, type: "text/plain; charset=utf-8", headers: headers, body: Array((text + "\n").utf8))
    }

    private static func reason(_ status: Int) -> String {
        [
            200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed",
            431: "Request Header Fields Too Large", 500: "Internal Server Error", 503: "Service Unavailable",
        ][status] ?? "Status"
    }
}
