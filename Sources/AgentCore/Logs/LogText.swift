import Logging

/// How a record is written to a stream.
enum LogText {
    /// One object, and nothing else, on one line; valid JSON whatever is in the record.
    /// Fields keep their names, unless they are those of the record itself: `field_level`.
    static func json(_ record: LogRecord) -> String {
        var pairs = [("time", record.time.utc), ("level", record.level.rawValue), ("message", record.message)]
        if let pool = record.pool { pairs.append(("pool", pool)) }
        let own: Set = ["time", "level", "message", "pool"]
        for field in record.fields {
            pairs.append((own.contains(field.name) ? "field_\(field.name)" : field.name, field.value))
        }
        return "{" + pairs.map { quoted($0.0) + ":" + quoted($0.1) }.joined(separator: ",") + "}\n"
    }

    /// For people: `17:02:46 warning collector c1 has ended  pid=812`, without control characters.
    ///
    /// - Parameter time: local time, as short as it is clear.
    static func human(_ record: LogRecord, time: String, isPainted: Bool) -> String {
        let name = record.level.rawValue
        let level = name + String(repeating: " ", count: max(0, 7 - name.count))
        let fields = record.fields.map { "\($0.name)=\(value($0.value))" }.joined(separator: " ")
        let pieces = [
            Piece(time + " ", .faint), Piece(level + " ", style(of: record.level)),
            Piece(harmless(record.message), .plain), Piece(fields.isEmpty ? "" : "  " + fields, .faint),
        ]
        return pieces.map { $0.text(painted: isPainted) }.joined() + "\n"
    }

    /// For a service manager that reads standard error: `<4>collector c1 has ended` (sd-daemon(3)).
    static func prefixed(_ record: LogRecord) -> String {
        let fields = record.fields.map { " \($0.name)=\(value($0.value))" }.joined()
        return "<\(record.level.priority)>" + harmless(record.message + fields) + "\n"
    }

    private static func style(of level: Logger.Level) -> Style {
        switch level {
        case .trace, .debug: .faint
        case .info: .plain
        case .notice: .good
        case .warning: .warning
        case .error, .critical: .bad
        }
    }

    /// In quotes where it would not be clear where it ends.
    private static func value(_ text: String) -> String {
        let isWord = !text.isEmpty && text.allSatisfy { $0 != " " && $0 != "\"" && $0 != "=" }
        return isWord ? harmless(text) : quoted(text)
    }

    /// One line, without what a terminal could obey.
    static func harmless(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else { return text }
        return String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : $0 }))
    }

    /// A JSON string (RFC 8259, section 7).
    static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\r": quoted += "\\r"
            case "\t": quoted += "\\t"
            case "\u{0}"..<" ", "\u{7f}"..."\u{9f}", "\u{2028}", "\u{2029}":
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
