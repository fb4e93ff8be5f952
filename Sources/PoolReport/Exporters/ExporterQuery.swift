import PoolModel

/// Which exporters are asked for, in what order, and which part of them: the
/// parameters of GET /exporters.
public struct ExporterQuery: Equatable, Sendable {
    public var order = Order()
    /// Entries of an answer, 1 … 1,000.
    public var limit = 100
    /// Entries that come before the answer's first.
    public var offset = 0
    /// Only those whose last run this collector got.
    public var collector: String?
    /// Only exporters with an address in the list.
    public var prefix: AddressPrefix?

    public static let limits = 1...1_000
    /// No table has more exporters.
    public static let offsets = 0...9_999_999

    public init() {}

    public enum Key: String, Sendable, CaseIterable {
        case bytes, runs
        case lastSeen = "last_seen"
        case firstSeen = "first_seen"
        case address
    }

    /// Of equals, the lower address comes first, in either direction.
    public struct Order: Equatable, Sendable, CustomStringConvertible {
        public var key = Key.bytes
        public var isDescending = true

        public init() {}

        /// `runs`, or `-runs` for the most first.
        public init?(_ text: String) {
            isDescending = text.hasPrefix("-")
            guard let key = Key(rawValue: String(isDescending ? text.dropFirst() : text[...])) else { return nil }
            self.key = key
        }

        public var description: String { (isDescending ? "-" : "") + key.rawValue }
    }
}

extension ExporterQuery {
    public static let parameterNames = ["sort", "limit", "offset", "collector", "prefix"]

    /// - Parameters:
    ///   - parameters: each name at most once.
    ///   - collectors: the existing names.
    /// - Throws: `.usage` for an unknown parameter or value, with the allowed ones.
    public init(_ parameters: [(name: String, value: String)], collectors: [String]) throws(Failure) {
        for (name, value) in parameters {
            switch name {
            case "sort":
                guard let order = Order(value) else {
                    throw Self.refused(
                        "there is no sort \(value)",
                        "use one of \(Key.allCases.map(\.rawValue).joined(separator: ", ")), or with - before it")
                }
                self.order = order
            case "limit": limit = try Self.number(value, of: name, in: Self.limits)
            case "offset": offset = try Self.number(value, of: name, in: Self.offsets)
            case "collector":
                guard collectors.contains(value) else {
                    throw Self.refused(
                        "there is no collector \(value)", "use one of \(collectors.joined(separator: ", "))")
                }
                collector = value
            case "prefix": prefix = try Self.prefix(value)
            default:
                throw Self.refused(
                    "there is no parameter \(name)", "use \(Self.parameterNames.joined(separator: ", "))")
            }
        }
    }

    private static func refused(_ cause: String, _ remedy: String) -> Failure {
        Failure(.usage, act: "list exporters", cause: cause, remedy: remedy)
    }

    private static func number(
        _ text: String, of name: String, in range: ClosedRange<Int>
    ) throws(Failure) -> Int {
        guard let number = Int(text), range.contains(number), "\(number)" == text else {
            throw refused(
                "\(name) \(text.isEmpty ? "''" : text) is not a whole number from \(range.lowerBound) to \(range.upperBound)",
                "use a number in that range")
        }
        return number
    }

    private static func prefix(_ text: String) throws(Failure) -> AddressPrefix {
        do {
            return try AddressPrefix(parsing: text)
        } catch {
            switch error {
            case .notAPrefix:
                throw refused("\(text) is no prefix", "write it like 192.0.2.0/24, 2001:db8::/32 or 192.0.2.1")
            case .hasHostBits(let cut): throw refused("prefix \(text) has bits beyond its length", "write \(cut)")
            }
        }
    }
}
