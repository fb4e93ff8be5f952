/// The target of a GET: `/path?name=value&…`, or `http://host/path?…`.
enum HTTPTarget {
    static let parameterLimit = 16

    static func read(
        _ target: ArraySlice<UInt8>
    ) throws(HTTPProblem) -> (path: String, parameters: [HTTPRequest.Parameter]) {
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

    private static func parameters(_ query: ArraySlice<UInt8>) throws(HTTPProblem) -> [HTTPRequest.Parameter] {
        if query.isEmpty { return [] }
        var parameters: [HTTPRequest.Parameter] = []
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
        var bytes: [UInt8] = []
        var index = text.startIndex
        while index < text.endIndex {
            if text[index] == UInt8(ascii: "%") {
                guard index + 2 < text.endIndex, let high = hexDigit(text[index + 1]),
                    let low = hexDigit(text[index + 2])
                else { throw HTTPProblem(400, "\(what) has a % without two hexadecimal digits; write %25 for a %") }
                bytes.append(high << 4 | low)
                index += 3
            } else {
                bytes.append(text[index])
                index += 1
            }
        }
        guard let string = String(validating: bytes, as: UTF8.self), !bytes.contains(where: { $0 < 0x20 || $0 == 0x7f })
        else { throw HTTPProblem(400, "\(what) is not text in UTF-8") }
        return string
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }
}

extension String {
    /// The text, shortened to 80 characters for a message.
    var shown: String { count > 80 ? prefix(80) + "…" : self }
}
