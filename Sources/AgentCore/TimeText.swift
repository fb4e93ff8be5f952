import Glibc

/// A Unix time as text, in a format of strftime(3). Names are English, because the agent sets no locale.
enum TimeText {
    static func utc(_ seconds: Int, _ format: String) -> String { text(seconds, format, gmtime_r) }

    static func local(_ seconds: Int, _ format: String) -> String { text(seconds, format, localtime_r) }

    private static func text(
        _ seconds: Int, _ format: String, _ split: (UnsafePointer<Int>, UnsafeMutablePointer<tm>) -> Any?
    ) -> String {
        var (seconds, parts) = (seconds, tm())
        _ = split(&seconds, &parts)
        var buffer = [UInt8](repeating: 0, count: 64)
        let length = buffer.withUnsafeMutableBytes { strftime($0.baseAddress, $0.count, format, &parts) }
        return String(decoding: buffer.prefix(length), as: UTF8.self)
    }
}
