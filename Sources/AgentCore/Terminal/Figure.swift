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

    /// `2 s`, `0.5 s`
    static func seconds(_ seconds: Double) -> String { tenths(seconds).replacing(".0", with: "") + " s" }

    /// A bar of blocks, in steps of an eighth of a block; a value above 0 has at least one step.
    static func bar(_ value: Double, of most: Double, width: Int = 12) -> String {
        guard most > 0, value > 0 else { return "" }
        let eighths = max(1, Int((value / most * Double(width * 8)).rounded()))
        return String(repeating: "█", count: eighths / 8) + ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8]
    }

    static let trendLength = 24

    /// Values over time, one character for each.
    static func trend(_ values: [Double], of most: Double) -> String {
        let steps: [Character] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
        return String(
            values.suffix(trendLength).map { value in
                most > 0 && value > 0 ? steps[min(7, Int(value / most * 7.999))] : " "
            })
    }
}
