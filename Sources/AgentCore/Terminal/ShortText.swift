/// Text that is shortened to fit.
enum ShortText {
    /// `collector-of-a-…-name`: cuts the middle, where similar names differ least.
    static func middle(_ text: String, to width: Int) -> String {
        guard text.count > width else { return text }
        guard width > 1 else { return String(text.prefix(max(0, width))) }
        let tail = (width - 1) / 2
        return String(text.prefix(width - 1 - tail)) + "…" + String(text.suffix(tail))
    }

    /// At most 5 characters: `99999`, `123k`, `12.3M`, `18.4E`; decimal powers, rounded down.
    static func number(_ value: UInt64) -> String {
        guard value >= 100_000 else { return "\(value)" }
        var unit: UInt64 = 1_000
        var name = 0
        while value / unit >= 1_000 {
            unit *= 1_000
            name += 1
        }
        let whole = value / unit
        let suffix = ["k", "M", "G", "T", "P", "E"][name]
        let thousandths = value % unit / (unit / 1_000)
        switch whole {
        case 100...: return "\(whole)\(suffix)"
        case 10...: return "\(whole).\(thousandths / 100)\(suffix)"
        default: return "\(whole).\(thousandths / 100)\(thousandths / 10 % 10)\(suffix)"
        }
    }

    /// A rate; small ones have one decimal.
    static func rate(_ value: Double) -> String {
        guard value.isFinite, value > 0 else { return "0" }
        if value < 9.95 {
            let tenths = max(1, Int((value * 10).rounded()))
            return "\(tenths / 10).\(tenths % 10)"
        }
        return number(value >= 1.8e19 ? .max : UInt64(value.rounded()))
    }

    /// Replaces each character that isn't printable and one cell wide by `?`.
    static func oneCell(_ text: String) -> String {
        guard !text.utf8.allSatisfy({ (0x20...0x7e).contains($0) }) else { return text }
        return String(
            text.map { character in
                guard let scalar = character.unicodeScalars.first, character.unicodeScalars.count == 1 else {
                    return "?"
                }
                switch scalar.value {
                case 0x20...0x7e, 0xa1...0xac, 0xae...0x2ff, 0x370...0x3ff, 0x400...0x481, 0x2010...0x2027,
                    0x2030...0x205e, 0x2190...0x22ff, 0x2500...0x25fc, 0x2713, 0x2717:
                    return character
                default: return "?"
                }
            })
    }
}
