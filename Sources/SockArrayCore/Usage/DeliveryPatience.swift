/// How long a delivery that failed waits before the next attempt: twice as long
/// each time, and a part of that by chance, so that the agents of many hosts don't
/// all come back at once.
public enum DeliveryPatience {
    public static let first = Duration.seconds(1)
    public static let longest = Duration.seconds(300)

    /// - Parameters:
    ///   - failures: in a row, from 1 on.
    ///   - chance: 0 … 1.
    /// - Returns: at least half of the doubled time.
    public static func pause(after failures: Int, chance: Double) -> Duration {
        let doubled = failures > 20 ? longest : min(longest, first * (1 << max(0, failures - 1)))
        return doubled * (0.5 + 0.5 * min(max(chance, 0), 1))
    }
}
