/// Numbers as text.
enum Figure {
    static func percent(_ share: Double) -> String { "\(tenths(share * 100)) %" }

    static func tenths(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }

    static func hundredths(_ value: Double) -> String {
        let scaled = Int((value * 100).rounded())
        return "\(scaled / 100).\(scaled % 100 < 10 ? "0" : "")\(scaled % 100)"
    }

    /// `12 s`, `3 min`, `2 h`: rounded down.
    static func age(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds >= 1 else { return "0 s" }
        let whole = Int(min(seconds, 1e9))
        return whole < 120 ? "\(whole) s" : whole < 7_200 ? "\(whole / 60) min" : "\(whole / 3_600) h"
    }

    /// A bar of at most 12 blocks, in steps of an eighth of a block.
    static func bar(_ value: Double, of widest: Double) -> String {
        guard widest > 0 else { return "" }
        let eighths = Int((value / widest * 96).rounded())
        let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8]
        return String(repeating: "█", count: eighths / 8) + rest
    }
}
