extension Maglev {
    /// Whether a table can have this many rows.
    public static func isPrime(_ number: Int) -> Bool {
        if number < 4 { return number >= 2 }
        if number.isMultiple(of: 2) { return false }
        var divisor = 3
        while divisor <= number / divisor {
            if number.isMultiple(of: divisor) { return false }
            divisor += 2
        }
        return true
    }

    /// The smallest prime that is at least the number: 65,537 for 65,536.
    public static func nextPrime(from number: Int) -> Int {
        var candidate = max(number, 2)
        while !isPrime(candidate) { candidate += 1 }
        return candidate
    }

    /// The smallest prime that is at least the number, or, if that is too many
    /// rows, the largest one below it.
    public static func prime(near number: Int) -> Int {
        var candidate = nextPrime(from: number)
        while candidate > BucketRow.tableSizes.upperBound || !isPrime(candidate) { candidate -= 1 }
        return candidate
    }
}
