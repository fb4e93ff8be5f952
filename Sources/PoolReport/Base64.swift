/// Bytes as text (RFC 4648, section 4).
enum Base64 {
    private static let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    package static func text(of bytes: [UInt8]) -> String {
        let size = (bytes.count + 2) / 3 * 4
        return String(unsafeUninitializedCapacity: size) { text in
            var index = 0
            for start in stride(from: 0, to: bytes.count, by: 3) {
                let known = min(3, bytes.count - start)
                var word: UInt32 = 0
                for step in 0..<3 { word = word << 8 | (step < known ? UInt32(bytes[start + step]) : 0) }
                for step in 0..<4 {
                    let letter = letters[Int(word >> UInt32(18 - 6 * step) & 63)]
                    text[index] = step <= known ? letter : UInt8(ascii: "=")
                    index += 1
                }
            }
            return size
        }
    }
}
