/// An nfacctd configuration as text: `key: value` or `key[plugin]: value` lines,
/// comments after `!`.
public struct NfacctdConfiguration: Sendable {
    public private(set) var text: String

    /// examples/nfacctd.conf, as it was when the program was built.
    public static var example: NfacctdConfiguration {
        NfacctdConfiguration(text: String(decoding: Embedded_nfacctdConfiguration.bytes, as: UTF8.self))
    }

    init(text: String) { self.text = text }

    /// The value of the first line with the key.
    public subscript(key: String) -> String? {
        for line in text.split(separator: "\n") where Self.key(of: line) == key {
            return String(line[line.index(after: line.firstIndex(of: ":")!)...].drop { $0 == " " })
        }
        return nil
    }

    /// Changes the values of keys in place.
    ///
    /// - Throws: an error for a key that the text doesn't have, which is a typing error.
    public mutating func set(_ values: [String: String]) throws {
        var missing = Set(values.keys)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { line -> String in
            guard let key = Self.key(of: line), let value = values[key] else { return String(line) }
            missing.remove(key)
            return "\(key): \(value)"
        }
        guard missing.isEmpty else { throw LabError("nfacctd.conf has no \(missing.sorted().joined(separator: ", "))") }
        text = lines.joined(separator: "\n")
    }

    private static func key(of line: Substring) -> String? {
        guard !line.hasPrefix("!"), let colon = line.firstIndex(of: ":") else { return nil }
        return String(line[..<colon])
    }
}
