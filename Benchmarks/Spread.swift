/// A figure over several rounds.
struct Spread {
    private let sorted: [Double]

    /// - Parameter values: at least one.
    init(_ values: [Double]) { sorted = values.sorted() }

    var median: Double { sorted[sorted.count / 2] }

    /// `71.2 (68.0 - 80.4)`: the median, and from the least to the most.
    var text: String { "\(Self.tenths(median)) (\(Self.tenths(sorted.first!)) - \(Self.tenths(sorted.last!)))" }

    static func tenths(_ value: Double) -> String { rounded(value, 10) }
    static func hundredths(_ value: Double) -> String { rounded(value, 100) }

    private static func rounded(_ value: Double, _ scale: Double) -> String { "\((value * scale).rounded() / scale)" }
}
