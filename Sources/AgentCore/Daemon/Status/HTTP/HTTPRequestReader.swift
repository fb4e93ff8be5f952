/// Parses the head of a request, strictly. A head that two servers could understand differently is
/// refused, because it could smuggle a request past a proxy.
enum HTTPRequestReader {
    enum Result: Equatable {
        case incomplete
        case refused(HTTPProblem)
        case request(HTTPRequest)
    }

    /// Maximum bytes of a head.
    static let headLimit = 8_192
    /// Maximum bytes of a request's first line.
    static let lineLimit = 4_096
    static let fieldLimit = 64

    static func read(_ bytes: [UInt8]) -> Result {
        // One empty line may come before the request (RFC 9112, 2.2).
        let start = bytes.starts(with: "\r\n".utf8) ? 2 : bytes.first == newline ? 1 : 0
        let text = bytes[start...]
        guard let end = headEnd(in: text), end <= headLimit else {
            let isOneLine = text.prefix(lineLimit).firstIndex(of: newline) == nil
            if isOneLine, text.count > lineLimit { return .refused(.init(414, "the request's target is too long")) }
            if text.count > headLimit { return .refused(.init(431, "the request's head has more than 8 KiB")) }
            // Bytes that can't become a request are refused at once.
            guard let first = text.first, !isTokenByte(first), first != UInt8(ascii: "\r") else { return .incomplete }
            return .refused(.init(400, "this isn't an HTTP request"))
        }
        do throws(HTTPProblem) {
            return .request(try head(text[..<end]))
        } catch {
            return .refused(error)
        }
    }

    private static let newline = UInt8(ascii: "\n")

    /// Index of the last line's end.
    private static func headEnd(in text: ArraySlice<UInt8>) -> Int? {
        var index = text.startIndex
        while let end = text[index...].firstIndex(of: newline) {
            let rest = text[(end + 1)...]
            if rest.first == newline || rest.starts(with: "\r\n".utf8) { return end }
            index = end + 1
        }
        return nil
    }

    private static func head(_ text: ArraySlice<UInt8>) throws(HTTPProblem) -> HTTPRequest {
        let lines = text.split(separator: newline, omittingEmptySubsequences: false)
            .map { $0.last == UInt8(ascii: "\r") ? $0.dropLast() : $0 }
        let (method, target, minorVersion) = try requestLine(lines[0])
        guard lines.count - 1 <= fieldLimit else { throw HTTPProblem(431, "the request has more than 64 fields") }
        var fields: [HTTPRequest.Field] = []
        for line in lines.dropFirst() { fields.append(try field(line)) }
        var request = HTTPRequest(method: method, path: "", fields: fields, minorVersion: minorVersion)
        try checkHost(of: request)
        // Other methods, which are refused later, have other forms of target: *, an authority.
        guard method == "GET" || method == "HEAD" else { return request }
        (request.path, request.parameters) = try HTTPTarget.read(target)
        try checkHasNoBody(request)
        return request
    }

    private static func requestLine(
        _ line: ArraySlice<UInt8>
    ) throws(HTTPProblem) -> (method: String, target: ArraySlice<UInt8>, minorVersion: Int) {
        guard line.count <= lineLimit else { throw HTTPProblem(414, "the request's target is too long") }
        let words = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard words.count == 3, !words[0].isEmpty, words[0].allSatisfy(isTokenByte), !words[1].isEmpty,
            words[1].allSatisfy({ (0x21...0x7e).contains($0) }), words[2].count == 8,
            words[2].starts(with: "HTTP/".utf8), words[2].dropFirst(6).first == UInt8(ascii: "."),
            let major = digit(words[2].dropFirst(5).first), let minor = digit(words[2].last)
        else { throw HTTPProblem(400, "this isn't an HTTP request") }
        guard major == 1 else { throw HTTPProblem(505, "the server supports only HTTP/1.x") }
        return (String(decoding: words[0], as: UTF8.self), words[1], min(1, minor))
    }

    private static func digit(_ byte: UInt8?) -> Int? {
        guard let byte, (0x30...0x39).contains(byte) else { return nil }
        return Int(byte - 0x30)
    }

    private static func field(_ line: ArraySlice<UInt8>) throws(HTTPProblem) -> HTTPRequest.Field {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex,
            line[..<colon].allSatisfy(isTokenByte)
        else { throw HTTPProblem(400, "a field of the request has no name, or no colon after it") }
        let value = line[(colon + 1)...]
        let isBlank = { (byte: UInt8) in byte == 0x20 || byte == 0x09 }
        guard value.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }) else {
            throw HTTPProblem(400, "a field of the request has a control character")
        }
        let trimmed = value.drop(while: isBlank).reversed().drop(while: isBlank).reversed()
        return HTTPRequest.Field(
            name: String(decoding: line[..<colon], as: UTF8.self).lowercased(),
            value: String(decoding: Array(trimmed), as: UTF8.self))
    }

    /// RFC 9112, 3.2.
    private static func checkHost(of request: HTTPRequest) throws(HTTPProblem) {
        let hosts = request.values(of: "host")
        guard hosts.count == 1 || hosts.isEmpty && request.minorVersion == 0 else {
            throw HTTPProblem(400, hosts.isEmpty ? "the request has no Host" : "the request has more than one Host")
        }
        guard let host = hosts.first else { return }
        guard
            host.utf8.allSatisfy({
                isTokenByte($0) && $0 != 0x5e && $0 != 0x60 && $0 != 0x7c || ":[]()=;".utf8.contains($0)
            })
        else { throw HTTPProblem(400, "Host is not a name or an address") }
    }

    /// Refuses a request with content: the server doesn't read bytes after the head.
    private static func checkHasNoBody(_ request: HTTPRequest) throws(HTTPProblem) {
        guard request.values(of: "transfer-encoding").isEmpty else {
            throw HTTPProblem(400, "a \(request.method) with a Transfer-Encoding isn't accepted")
        }
        let lengths = request.values(of: "content-length")
        guard let length = lengths.first else { return }
        guard lengths.count == 1, !length.isEmpty, length.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            throw HTTPProblem(400, "Content-Length is not one number")
        }
        guard length.utf8.allSatisfy({ $0 == 0x30 }) else {
            throw HTTPProblem(413, "a \(request.method) with content isn't accepted")
        }
    }

    /// RFC 9110, 5.6.2.
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
