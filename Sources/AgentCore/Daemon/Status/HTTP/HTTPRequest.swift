import SockArrayCore

/// The head of an HTTP/1.x request (RFC 9112), as a read-only server needs it.
struct HTTPRequest: Equatable {
    struct Field: Equatable {
        /// In small letters.
        let name: String
        let value: String
    }

    struct Parameter: Equatable {
        let name: String
        let value: String
    }

    var method = "GET"
    /// Decoded, without the query.
    var path: String
    /// Decoded, each name once.
    var parameters: [Parameter] = []
    var fields: [Field] = []
    /// Minor version of HTTP/1: 0, or 1 for all later ones.
    var minorVersion = 1

    /// Values of the fields of that name, in their order.
    func values(of name: String) -> [String] { fields.filter { $0.name == name }.map(\.value) }

    /// The name or address in Host, without the port; nil: there is none.
    var host: String? {
        guard let value = values(of: "host").first else { return nil }
        if value.hasPrefix("["), let end = value.firstIndex(of: "]") { return String(value[...end]) }
        return String(value.prefix { $0 != ":" })
    }

    /// Whether Host is what a browser sends that was led here under a name of
    /// somebody else's (DNS rebinding).
    var hasForeignHost: Bool {
        guard let host, !host.isEmpty else { return false }
        if host.hasPrefix("[") { return IPAddress(String(host.dropFirst().dropLast())) == nil }
        return IPAddress(host) == nil && host.lowercased() != "localhost"
    }
}

/// Why a request isn't answered as it was meant: the answer's status, and a sentence.
struct HTTPProblem: Error, Equatable {
    let status: Int
    let text: String

    init(_ status: Int, _ text: String) {
        self.status = status
        self.text = text
    }
}
