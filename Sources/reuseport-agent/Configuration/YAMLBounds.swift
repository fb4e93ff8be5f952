import SockArrayCore

/// Refuses what could cost a YAML parser more than its length: deep nesting, and
/// aliases, of which a few lines can stand for gigabytes. A configuration needs
/// neither.
enum YAMLBounds {
    static let depth = 32
    static let indentation = 200

    static func check(_ text: String, file: String) throws(Failure) {
        var open = 0
        for (index, line) in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .enumerated()
        {
            func refuse(_ cause: String, _ remedy: String) -> Failure {
                Failure(.usage, act: "use \(file):\(index + 1)", cause: cause, remedy: remedy)
            }
            let indent = line.prefix { $0 == UInt8(ascii: " ") }.count
            var nested = 0
            var previous = UInt8(ascii: " ")
            var quote: UInt8?
            for byte in line {
                if let mark = quote {
                    if byte == mark { quote = nil }
                    previous = byte
                    continue
                }
                let isStart = " [{,:-?".utf8.contains(previous)
                if byte == UInt8(ascii: "#"), previous == UInt8(ascii: " ") { break }
                switch byte {
                case UInt8(ascii: "\""), UInt8(ascii: "'"): if isStart { quote = byte }
                case UInt8(ascii: "["), UInt8(ascii: "{"): open += 1
                case UInt8(ascii: "]"), UInt8(ascii: "}"): open = max(0, open - 1)
                case UInt8(ascii: "-"), UInt8(ascii: "?"): if isStart { nested += 1 }
                case UInt8(ascii: "&"), UInt8(ascii: "*"):
                    if isStart {
                        throw refuse("it has an anchor or an alias", "write the value out, or put it in quotes")
                    }
                default: break
                }
                previous = byte
            }
            guard open <= depth, nested <= depth, indent <= indentation else {
                throw refuse("it is nested too deep", "a configuration needs 4 levels")
            }
        }
    }
}
