import Logging

/// A record in journald's native protocol: one datagram of fields. A value is what
/// follows `=` to the end of the line, or, where it has lines of its own, comes after
/// its length (systemd's "Native Journal Protocol").
///
/// The native protocol has fields, unlike lines with `<N>` on standard error: `journalctl
/// POOL=edge COLLECTOR=c1` finds a collector's messages. If journald refuses a datagram, the
/// agent writes lines with `<N>` instead (`LogOutput`).
enum JournalMessage {
    static let path = "/run/systemd/journal/socket"
    /// Longer values are cut: a datagram has to fit what a socket takes at once.
    static let valueLimit = 32_768

    static func bytes(_ record: LogRecord, identifier: String) -> [UInt8] {
        var bytes: [UInt8] = []
        append("PRIORITY", "\(record.level.priority)", to: &bytes)
        append("SYSLOG_IDENTIFIER", identifier, to: &bytes)
        append("MESSAGE", record.message, to: &bytes)
        if let pool = record.pool { append("POOL", pool, to: &bytes) }
        let own: Set = ["PRIORITY", "SYSLOG_IDENTIFIER", "MESSAGE", "POOL"]
        for field in record.fields.prefix(64) {
            let name = Self.name(of: field.name)
            append(own.contains(name) ? "FIELD_\(name)" : name, field.value, to: &bytes)
        }
        return bytes
    }

    /// What journald takes for a name: letters, digits and `_`, first a letter, 64 at most.
    private static func name(of name: String) -> String {
        let letters = name.uppercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" }
        let word = String(letters.drop { !$0.isLetter }.prefix(58))
        return word.isEmpty ? "FIELD" : word
    }

    private static func append(_ name: String, _ value: String, to bytes: inout [UInt8]) {
        let value = Array(value.utf8.prefix(valueLimit))
        bytes += name.utf8
        if value.contains(UInt8(ascii: "\n")) {
            bytes.append(UInt8(ascii: "\n"))
            withUnsafeBytes(of: UInt64(value.count).littleEndian) { bytes += $0 }
        } else {
            bytes.append(UInt8(ascii: "="))
        }
        bytes += value
        bytes.append(UInt8(ascii: "\n"))
    }
}
