import PoolModel

/// A value of the configuration, with a reader for each type.
struct Value {
    static let longestDuration = Duration.seconds(86_400)
    /// sun_path holds 107 bytes and a NUL (unix(7)).
    static let longestSocketPath = 107
    /// Maximum length of a name in DNS, in bytes.
    static let longestExporterName = 253
    /// Maximum length of a URL, in bytes.
    static let longestWebAddress = 2_048

    let node: YAMLNode
    let file: String
    /// The name of the value in errors.
    let key: String

    /// - Returns: a `.usage` failure for the caller to throw, with the file, line and column of the value.
    func problem(_ cause: String, _ remedy: String) -> Failure {
        Failure(.usage, act: "use \(file):\(node.mark)", cause: cause, remedy: remedy)
    }

    var isMapping: Bool {
        if case .mapping = node.content { return true }
        return false
    }

    func string() throws(Failure) -> String {
        guard let text = node.text else {
            throw problem("\(key) is not a single value", "write one value after \(key):")
        }
        return text
    }

    /// The name of a network interface.
    func interface() throws(Failure) -> String {
        let text = try string()
        guard Self.isInterface(text) else {
            throw problem(
                "\(key) \"\(text.prefix(80))\" is not the name of an interface",
                "write it as ip link shows it, like eth0")
        }
        return text
    }

    /// As the kernel's dev_valid_name() (net/core/dev.c).
    static func isInterface(_ text: String) -> Bool {
        (1...15).contains(text.utf8.count) && text != "." && text != ".."
            && !text.contains { "/:".contains($0) || $0.isWhitespace }
    }

    /// One of a set of words.
    func choice<Choice: RawRepresentable<String> & CaseIterable>(of key: String) throws(Failure) -> Choice {
        let text = try string()
        guard let choice = Choice(rawValue: text) else {
            throw problem(
                "\(key) \(text.prefix(80)) is not known",
                "write one of \(Choice.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return choice
    }

    /// The entries of a list that isn't empty.
    ///
    /// - Parameter remedy: what to write instead of an empty list.
    func list(orWrite remedy: String) throws(Failure) -> [Value] {
        let entries = try entries()
        guard !entries.isEmpty else { throw problem("\(key) is an empty list", "write \(remedy)") }
        return entries
    }

    /// The entries of a list.
    func entries() throws(Failure) -> [Value] {
        guard case .sequence(let entries) = node.content else {
            throw problem("\(key) is not a list", "write it as a list: [a, b], or a line with - for each")
        }
        return entries.map { Value(node: $0, file: file, key: "an entry of \(key)") }
    }

    /// A name that can be a folder in bpffs, which doesn't allow dots.
    func name() throws(Failure) -> String {
        let name = try string()
        guard PoolConfiguration.isUsableName(name) else {
            throw problem(
                "\(key) \"\(name.prefix(80))\" is not a usable name",
                "use 1 to 63 letters, digits, _ and -, not starting with -")
        }
        return name
    }

    func integer(in range: ClosedRange<Int>) throws(Failure) -> Int {
        let text = try string()
        guard let number = Int(text), range.contains(number), String(number) == text else {
            throw problem(
                "\(key) \(text.prefix(80)) is not a whole number from \(range.lowerBound) to \(range.upperBound)",
                "write a number of that range")
        }
        return number
    }

    func boolean() throws(Failure) -> Bool {
        switch try string() {
        case "true": return true
        case "false": return false
        case let other: throw problem("\(key) \(other.prefix(80)) is neither true nor false", "write true or false")
        }
    }

    func address() throws(Failure) -> IPAddress { try address(try string()) }

    /// - Parameter text: of the value, or a part of it.
    func address(_ text: String) throws(Failure) -> IPAddress {
        guard let address = IPAddress(text) else {
            throw problem(
                "\(key) \(text.prefix(80)) is not an IPv4 or IPv6 address",
                "write an address like 0.0.0.0, 192.0.2.1 or \"::\" (IPv6 in quotes, without port or prefix)")
        }
        guard address.unmapped == address else {
            throw problem("\(key) \(address) is an IPv4-mapped address", "write \(address.unmapped)")
        }
        return address
    }

    /// An address with a port: `127.0.0.1:9477`, `[::1]:9477`.
    func endpoint() throws(Failure) -> PoolConfiguration.Endpoint {
        let text = try string()
        let remedy = "write it like 127.0.0.1:9477 or \"[::1]:9477\", with a port from 1 to 65535"
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0,
            "\(port)" == text[text.index(after: colon)...]
        else { throw problem("\(key) \(text.prefix(80)) is not an address with a port", remedy) }
        var host = text[..<colon]
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        if isBracketed { host = host.dropFirst().dropLast() }
        guard let address = IPAddress(String(host)), address.withPort(port).hasPrefix("[") == isBracketed else {
            throw problem("\(key) \(text.prefix(80)) is not an IPv4 or IPv6 address with a port", remedy)
        }
        guard address.unmapped == address else {
            throw problem(
                "\(key) \(text) has an IPv4-mapped address", "write \(address.unmapped.withPort(port))")
        }
        return PoolConfiguration.Endpoint(address: address, port: port)
    }

    /// A duration of at most a day: `500ms`, `10s`, `2m`, `1h`.
    func duration() throws(Failure) -> Duration {
        let text = try string()
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let units: [Substring: Int] = ["ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000]
        guard let unit = units[text.dropFirst(digits.count)], let number = Int(digits), digits.count < 10 else {
            throw problem(
                "\(key) \(text.prefix(80)) is not a duration", "write a whole number with ms, s, m or h, like 10s")
        }
        guard .milliseconds(number * unit) <= Self.longestDuration else {
            throw problem("\(key) \(text) is more than a day", "use 24h or less")
        }
        return .milliseconds(number * unit)
    }

    func absolutePath() throws(Failure) -> String {
        let path = try string()
        guard path.hasPrefix("/"), !path.utf8.contains(0), !path.split(separator: "/").contains("..") else {
            throw problem("\(key) \(path.prefix(80)) is not an absolute path", "start it with /, without ..")
        }
        return path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    }

    /// The path of a Unix socket.
    func socketPath() throws(Failure) -> String {
        let path = try absolutePath()
        guard path.utf8.count <= Self.longestSocketPath else {
            throw problem(
                "\(key) has \(path.utf8.count) bytes, and a socket's path has at most \(Self.longestSocketPath)",
                "use a shorter path")
        }
        return path
    }

    /// Permissions, as octal digits in quotes: `"0660"`.
    func permissions() throws(Failure) -> UInt32 {
        let text = try string()
        guard (3...4).contains(text.utf8.count), let mode = UInt32(text, radix: 8), mode <= 0o777 else {
            throw problem(
                "\(key) \(text.prefix(80)) is not a set of permission bits",
                "write octal digits in quotes, like \"0660\"")
        }
        return mode
    }
}
