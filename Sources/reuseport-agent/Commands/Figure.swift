/// Numbers for people.
enum Figure {
    static func percent(_ share: Double) -> String { "\(tenths(share * 100)) %" }

    static func tenths(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }

    static func hundredths(_ value: Double) -> String {
        let scaled = Int((value * 100).rounded())
        return "\(scaled / 100).\(scaled % 100 < 10 ? "0" : "")\(scaled % 100)"
    }

    /// At most 12 blocks, in eighths.
    static func bar(_ value: Double, of widest: Double) -> String {
        guard widest > 0 else { return "" }
        let eighths = Int((value / widest * 96).rounded())
        let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8]
        return String(repeating: "█", count: eighths / 8) + rest
    }
}
