/// The pause after a failed delivery of usage events: exponential, with jitter, so that the agents of
/// many hosts don't retry at the same time.
public enum DeliveryBackoff {
    public static let first = Duration.seconds(1)
    public static let longest = Duration.seconds(300)

    /// - Parameters:
    ///   - failures: the number of failures in a row, at least 1.
    ///   - chance: a random number from 0 to 1.
    /// - Returns: 50% to 100% of the doubled time.
    public static func pause(after failures: Int, chance: Double) -> Duration {
        let doubled = failures > 20 ? longest : min(longest, first * (1 << max(0, failures - 1)))
        return doubled * (0.5 + 0.5 * min(max(chance, 0), 1))
    }
}
