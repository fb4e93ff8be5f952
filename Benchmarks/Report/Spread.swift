import Foundation

/// A figure over several rounds.
struct Spread {
    private let sorted: [Double]

    /// - Parameter values: at least one.
    init(_ values: [Double]) { sorted = values.sorted() }

    var median: Double { sorted[sorted.count / 2] }

    /// `71.2 (68.0 - 80.4)`: the median, the minimum and the maximum.
    func text(_ format: (Double) -> String) -> String {
        "\(format(median)) (\(format(sorted.first!)) - \(format(sorted.last!)))"
    }

    /// `71.2 (half of the 27 rounds lie from 69.1 to 75.0)`.
    var middle: String {
        let low = sorted.count / 4
        let (least, most) = (Self.digits(sorted[low]), Self.digits(sorted[sorted.count - 1 - low]))
        return "\(Self.digits(median)) (half of the \(sorted.count) rounds lie from \(least) to \(most))"
    }

    static func hundredths(_ value: Double) -> String { String(format: "%.2f", value) }

    /// Three significant digits, or more for a large number: `0.42`, `9.44`, `10.5`, `183,850`.
    static func digits(_ value: Double) -> String {
        switch abs(value) {
        case ..<10: hundredths(value)
        case ..<99.95: String(format: "%.1f", value)
        default: grouped(Int(value.rounded()))
        }
    }

    private static func grouped(_ number: Int) -> String {
        let digits = Array("\(abs(number))")
        let groups = digits.enumerated().map { index, digit in
            index > 0 && (digits.count - index) % 3 == 0 ? ",\(digit)" : "\(digit)"
        }
        return (number < 0 ? "-" : "") + groups.joined()
    }
}
