/// A figure over several rounds.
struct Spread {
    private let sorted: [Double]

    /// - Parameter values: at least one.
    init(_ values: [Double]) { sorted = values.sorted() }

    var median: Double { sorted[sorted.count / 2] }

    /// `71.2 (68.0 - 80.4)`: the median, and from the least to the most.
    var text: String { text(Self.tenths) }

    func text(_ format: (Double) -> String) -> String {
        "\(format(median)) (\(format(sorted.first!)) - \(format(sorted.last!)))"
    }

    static func tenths(_ value: Double) -> String { rounded(value, 10) }
    static func hundredths(_ value: Double) -> String { rounded(value, 100) }
    static func whole(_ value: Double) -> String { "\(Int(value.rounded()))" }

    /// Three digits that count.
    static func digits(_ value: Double) -> String {
        abs(value) >= 100 ? whole(value) : abs(value) >= 10 ? tenths(value) : hundredths(value)
    }

    private static func rounded(_ value: Double, _ scale: Double) -> String { "\((value * scale).rounded() / scale)" }
}
