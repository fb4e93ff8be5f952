import PoolModel

/// The head of an HTTP/1.x request (RFC 9112), as a read-only server needs it.
struct HTTPRequest: Equatable {
    /// A field of the head, its name in lower case, or a parameter of the target.
    struct NamedValue: Equatable {
        let name: String
        let value: String
    }

    var method = "GET"
    /// Decoded, without the query.
    var path: String
    /// Decoded; each name occurs once.
    var parameters: [NamedValue] = []
    var fields: [NamedValue] = []
    /// Minor version of HTTP/1: 0, or 1 for all later ones.
    var minorVersion = 1

    /// The values of all fields with this name, in order.
    func values(of name: String) -> [String] { fields.filter { $0.name == name }.map(\.value) }

    /// The name or address in Host, without the port; nil if there is no Host.
    var host: String? {
        guard let value = values(of: "host").first else { return nil }
        if value.hasPrefix("["), let end = value.firstIndex(of: "]") { return String(value[...end]) }
        return String(value.prefix { $0 != ":" })
    }

    /// Whether Host is a name other than localhost. A browser sends it after another site's name was
    /// made to resolve to this host (DNS rebinding).
    var hasForeignHost: Bool {
        guard let host, !host.isEmpty else { return false }
        if host.hasPrefix("[") { return IPAddress(String(host.dropFirst().dropLast())) == nil }
        return IPAddress(host) == nil && host.lowercased() != "localhost"
    }
}

/// Why a request is refused: the status of the answer, and a sentence.
struct HTTPProblem: Error, Equatable {
    let status: Int
    let text: String

    init(_ status: Int, _ text: String) {
        self.status = status
        self.text = text
    }
}

/// Parses the head of a request, strictly. A head that two servers could understand differently is
/// refused, because it could smuggle a request past a proxy.
extension HTTPRequest {
    /// Maximum bytes of a head.
    static let headLimit = 8_192
    /// Maximum bytes of a request's first line.
    static let lineLimit = 4_096
    static let fieldLimit = 64

    /// - Returns: nil while the head is incomplete.
    static func read(_ bytes: [UInt8]) throws(HTTPProblem) -> HTTPRequest? {
        // One empty line may come before the request (RFC 9112, 2.2).
        let start = bytes.starts(with: "\r\n".utf8) ? 2 : bytes.first == newline ? 1 : 0
        let text = bytes[start...]
        if let end = headEnd(in: text), end <= headLimit { return try head(text[..<end]) }
        let isOneLine = text.prefix(lineLimit).firstIndex(of: newline) == nil
        if isOneLine, text.count > lineLimit { throw HTTPProblem(414, "the request's target is too long") }
        if text.count > headLimit { throw HTTPProblem(431, "the request's head has more than 8 KiB") }
        // Bytes that can't become a request are refused at once.
        guard let first = text.first, !isTokenByte(first), first != UInt8(ascii: "\r") else { return nil }
        throw HTTPProblem(400, "this isn't an HTTP request")
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
        var request = HTTPRequest(method: method, path: "", minorVersion: minorVersion)
        for line in lines.dropFirst() { request.fields.append(try field(line)) }
        try checkHost(of: request)
        // Other methods, which are refused later, have other forms of target: *, an authority.
        guard method == "GET" || method == "HEAD" else { return request }
        (request.path, request.parameters) = try read(target: target)
        try checkHasNoBody(request)
        return request
    }

    private static func requestLine(
        _ line: ArraySlice<UInt8>
    ) throws(HTTPProblem) -> (method: String, target: ArraySlice<UInt8>, minorVersion: Int) {
        guard line.count <= lineLimit else { throw HTTPProblem(414, "the request's target is too long") }
        let words = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false).map(Array.init)
        guard words.count == 3, !words[0].isEmpty, words[0].allSatisfy(isTokenByte), !words[1].isEmpty,
            words[1].allSatisfy({ (0x21...0x7e).contains($0) }), words[2].count == 8,
            words[2].starts(with: "HTTP/".utf8), words[2][6] == UInt8(ascii: "."),
            isDigit(words[2][5]), isDigit(words[2][7])
        else { throw HTTPProblem(400, "this isn't an HTTP request") }
        guard words[2][5] == UInt8(ascii: "1") else { throw HTTPProblem(505, "the server supports only HTTP/1.x") }
        return (String(decoding: words[0], as: UTF8.self), words[1][...], words[2][7] == UInt8(ascii: "0") ? 0 : 1)
    }

    private static func field(_ line: ArraySlice<UInt8>) throws(HTTPProblem) -> NamedValue {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex,
            line[..<colon].allSatisfy(isTokenByte)
        else { throw HTTPProblem(400, "a field of the request has no name, or no colon after it") }
        let value = line[(colon + 1)...]
        let isBlank = { (byte: UInt8) in byte == 0x20 || byte == 0x09 }
        guard value.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }) else {
            throw HTTPProblem(400, "a field of the request has a control character")
        }
        let trimmed = value.drop(while: isBlank).reversed().drop(while: isBlank).reversed()
        return NamedValue(
            name: String(decoding: line[..<colon], as: UTF8.self).lowercased(),
            value: String(decoding: Array(trimmed), as: UTF8.self))
    }

    /// RFC 9112, 3.2.
    private static func checkHost(of request: HTTPRequest) throws(HTTPProblem) {
        let hosts = request.values(of: "host")
        guard hosts.count == 1 || hosts.isEmpty && request.minorVersion == 0 else {
            throw HTTPProblem(400, hosts.isEmpty ? "the request has no Host" : "the request has more than one Host")
        }
        let isHostByte = { (byte: UInt8) in
            isTokenByte(byte) && !"^`|".utf8.contains(byte) || ":[]()=;".utf8.contains(byte)
        }
        guard hosts.allSatisfy({ $0.utf8.allSatisfy(isHostByte) }) else {
            throw HTTPProblem(400, "Host is not a name or an address")
        }
    }

    /// Refuses a request with content: the server doesn't read bytes after the head.
    private static func checkHasNoBody(_ request: HTTPRequest) throws(HTTPProblem) {
        guard request.values(of: "transfer-encoding").isEmpty else {
            throw HTTPProblem(400, "a \(request.method) with a Transfer-Encoding isn't accepted")
        }
        let lengths = request.values(of: "content-length")
        guard let length = lengths.first else { return }
        guard lengths.count == 1, !length.isEmpty, length.utf8.allSatisfy(isDigit) else {
            throw HTTPProblem(400, "Content-Length is not one number")
        }
        guard length.allSatisfy({ $0 == "0" }) else {
            throw HTTPProblem(413, "a \(request.method) with content isn't accepted")
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    /// RFC 9110, 5.6.2.
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}

/// Parses the target of a GET: `/path?name=value&…`, or `http://host/path?…`.
extension HTTPRequest {
    static let parameterLimit = 16

    private static func read(
        target: ArraySlice<UInt8>
    ) throws(HTTPProblem) -> (path: String, parameters: [NamedValue]) {
        let target = try originForm(target)
        guard !target.contains(UInt8(ascii: "#")) else { throw HTTPProblem(400, "the target has a fragment") }
        let parts = target.split(separator: UInt8(ascii: "?"), maxSplits: 1, omittingEmptySubsequences: false)
        return (try decoded(parts[0], "the path"), try parts.count == 2 ? parameters(parts[1]) : [])
    }

    /// Servers must accept the absolute form, too (RFC 9112, 3.2.2).
    private static func originForm(_ target: ArraySlice<UInt8>) throws(HTTPProblem) -> ArraySlice<UInt8> {
        if target.first == UInt8(ascii: "/") { return target }
        let scheme = "http://"
        guard String(decoding: target.prefix(scheme.utf8.count), as: UTF8.self).lowercased() == scheme else {
            throw HTTPProblem(400, "the target is not a path")
        }
        let rest = target.dropFirst(scheme.utf8.count)
        let authority = rest.prefix { !"/?#".utf8.contains($0) }
        guard !authority.isEmpty else { throw HTTPProblem(400, "the target has no host") }
        let path = rest[authority.endIndex...]
        return path.first == UInt8(ascii: "/") ? path : ArraySlice([UInt8(ascii: "/")] + path)
    }

    private static func parameters(_ query: ArraySlice<UInt8>) throws(HTTPProblem) -> [NamedValue] {
        if query.isEmpty { return [] }
        var parameters: [NamedValue] = []
        for part in query.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: false) {
            let sides = part.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            let name = try decoded(sides[0], "the name of a parameter")
            guard !name.isEmpty else { throw HTTPProblem(400, "a parameter has no name; write ?name=value&…") }
            guard sides.count == 2 else {
                throw HTTPProblem(400, "parameter \(name.shown) has no value; write \(name.shown)=…")
            }
            guard !parameters.contains(where: { $0.name == name }) else {
                throw HTTPProblem(400, "parameter \(name.shown) is given twice; keep one")
            }
            guard parameters.count < parameterLimit else { throw HTTPProblem(400, "there are too many parameters") }
            parameters.append(.init(name: name, value: try decoded(sides[1], "parameter \(name.shown)")))
        }
        return parameters
    }

    /// Decodes percent signs (RFC 3986, 2.1). A plus isn't a space.
    private static func decoded(_ text: ArraySlice<UInt8>, _ what: String) throws(HTTPProblem) -> String {
        func hexDigit(_ byte: UInt8?) -> Int? { byte.flatMap { Character(UnicodeScalar($0)).hexDigitValue } }
        var bytes: [UInt8] = []
        var rest = text
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = hexDigit(rest.popFirst()), let low = hexDigit(rest.popFirst()) else {
                throw HTTPProblem(400, "\(what) has a % without two hexadecimal digits; write %25 for a %")
            }
            bytes.append(UInt8(high << 4 | low))
        }
        guard let string = String(validating: bytes, as: UTF8.self), !bytes.contains(where: { $0 < 0x20 || $0 == 0x7f })
        else { throw HTTPProblem(400, "\(what) is not text in UTF-8") }
        return string
    }
}

extension String {
    /// The text, shortened to 80 characters for a message.
    var shown: String { count > 80 ? prefix(80) + "…" : self }
}
