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
        func cut(at mark: Character) -> IPAddress? {
            text.lastIndex(of: mark).flatMap { IPAddress(String(text[..<$0])) }
        }
        func write(_ address: IPAddress) -> String { "write \(address)" }
        if let address = cut(at: "/") {
            return ("it has a prefix length, and an exporter is one address", write(address))
        }
        if let address = cut(at: "%") { return ("it has a zone, which has no meaning here", write(address)) }
        if case .v4(let address) = cut(at: ":") { return ("it has a port", write(.v4(address))) }
        if text.hasPrefix("["),
            let address = text.dropFirst().firstIndex(of: "]").flatMap({
                IPAddress(String(text[..<$0].dropFirst()))
            })
        {
            return (text.hasSuffix("]") ? "it is in brackets" : "it has a port", write(address))
        }
        let plain = text.split(separator: ".", omittingEmptySubsequences: false).map { part in
            part.dropLast().drop { $0 == "0" } + part.suffix(1)
        }
        if let address = IPAddress(plain.joined(separator: ".")) {
            return ("it has leading zeros, which some read as octal", write(address))
        }
        return nil
    }
}
