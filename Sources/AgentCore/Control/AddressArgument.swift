import PoolModel

extension IPAddress {
    /// - Throws: `.usage` with the cause and a remedy.
    package init(argument text: String) throws(Failure) {
        guard let address = IPAddress(text) else {
            let (cause, remedy) =
                Self.excess(in: text) ?? ("it is not an IPv4 or IPv6 address", "write it like 192.0.2.1 or 2001:db8::1")
            throw Failure(.usage, act: "explain \(text)", cause: cause, remedy: remedy)
        }
        self = address
    }

    /// The excess part of an address and a remedy; nil if the text isn't an address even without it.
    private static func excess(in text: String) -> (cause: String, remedy: String)? {
        func before(_ mark: Character) -> String? { text.lastIndex(of: mark).map { String(text[..<$0]) } }
        let bracketed = text.hasPrefix("[") && text.contains("]") ? text.dropFirst().prefix { $0 != "]" } : nil
        let plain = text.split(separator: ".", omittingEmptySubsequences: false).map { part in
            part.dropLast().drop { $0 == "0" } + part.suffix(1)
        }
        let candidates: [(text: String?, cause: String)] = [
            (before("/"), "it has a prefix length, and an exporter is one address"),
            (before("%"), "it has a zone, which has no meaning here"),
            // The last part of an IPv6 address is no port.
            (before(":").flatMap { $0.contains(":") ? nil : $0 }, "it has a port"),
            (bracketed.map { String($0) }, text.hasSuffix("]") ? "it is in brackets" : "it has a port"),
            (plain.joined(separator: "."), "it has leading zeros, which some read as octal"),
        ]
        for case (let text?, let cause) in candidates {
            if let address = IPAddress(text) { return (cause, "write \(address)") }
        }
        return nil
    }
}
