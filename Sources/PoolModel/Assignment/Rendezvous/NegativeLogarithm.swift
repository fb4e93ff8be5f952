/// -log2(u) in integers, the same on every host.
enum NegativeLogarithm {
    private static let tableBits = 12
    /// log2(1 + i / 4096) with 48 fractional bits, i = 0 … 4096. Plain memory that is
    /// never freed: a loop reads it without counting references.
    nonisolated(unsafe) static let table: UnsafePointer<UInt64> = {
        let entries = (0...UInt64(1) << UInt64(tableBits)).map { log2OfOnePlus($0) }
        let table = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: entries.count)
        _ = table.initialize(from: entries)
        return UnsafePointer(table.baseAddress!)
    }()

    /// -log2((draw + 1) / 2^64) with 48 fractional bits: 0 … 64 * 2^48. Linear between
    /// two entries of the table, with an error of at most 2^-27. It never increases
    /// with the draw.
    @inline(__always)
    package static func of(_ draw: UInt64, table: UnsafePointer<UInt64> = table) -> UInt64 {
        guard draw < .max else { return 0 }
        let number = draw &+ 1
        let zeros = UInt64(truncatingIfNeeded: number.leadingZeroBitCount)
        // The bits after the leading one, from the top: number = 1.fraction * 2^(63 - zeros).
        let fraction = (number &<< zeros) &<< 1
        let index = Int(truncatingIfNeeded: fraction >> UInt64(64 - tableBits))
        // 26 bits: the difference of two entries is below 2^37, so the product fits.
        let rest = (fraction << UInt64(tableBits)) >> 38
        let step = ((table[index &+ 1] &- table[index]) &* rest) >> 26
        return (zeros &+ 1) << 48 &- table[index] &- step
    }

    /// By repeated squaring, one bit at a time: log2(1 + i / 4096) * 2^48.
    private static func log2OfOnePlus(_ i: UInt64) -> UInt64 {
        if i >> UInt64(tableBits) == 1 { return 1 << 48 }
        var square = (1 << UInt64(tableBits) + i) << UInt64(63 - tableBits)  // 1.63 fixed point
        var result: UInt64 = 0
        for _ in 0..<48 {
            let full = square.multipliedFullWidth(by: square)
            result <<= 1
            if full.high >> 63 == 1 {
                square = full.high
                result |= 1
            } else {
                square = full.high << 1 | full.low >> 63
            }
        }
        return result
    }
}
