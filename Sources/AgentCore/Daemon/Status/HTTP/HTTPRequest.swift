import PoolModel

/// The head of an HTTP/1.x request (RFC 9112), as a read-only server needs it.
struct HTTPRequest: Equatable {
    struct Field: Equatable {
        /// In lower case.
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
    /// Decoded; each name occurs once.
    var parameters: [Parameter] = []
    var fields: [Field] = []
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
