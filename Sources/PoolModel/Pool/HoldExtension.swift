/// The extension of one hold, while the collector's command runs and hasn't bound its sockets yet.
///
/// A hold is extended a little at a time, as long as somebody asks for it: if nobody asks any more, it ends shortly
/// after. All extensions of a hold together have a limit, and a hold that is over stays over.
public struct HoldExtension: Equatable, Sendable {
    /// What one request added.
    public struct Grant: Equatable, Sendable {
        /// By this request.
        public let gain: Duration
        /// By all requests until now.
        public let total: Duration

        public var isFirst: Bool { gain == total }
    }

    /// How much later than without extensions a hold can end.
    public static let limit: Duration = .seconds(30)
    /// How long a hold lasts at least after a request, unless the hold itself is shorter. The agent may be busy for
    /// seconds, and the next request waits for it.
    public static let step: Duration = .seconds(5)

    private var total = Duration.zero

    /// By how much it can be extended yet.
    public var rest: Duration { Self.limit - total }

    public init() {}

    /// - Parameters:
    ///   - downFor: time since the hold clock started, less what earlier requests added.
    ///   - hold: the hold time that is configured now.
    /// - Returns: nil if the hold is over, is long enough, or has reached the limit.
    public mutating func grant(downFor: Duration, hold: Duration) -> Grant? {
        let left = hold - downFor
        guard left > .zero else { return nil }
        let gain = min(min(Self.step, hold) - left, Self.limit - total)
        guard gain > .zero else { return nil }
        total += gain
        return Grant(gain: gain, total: total)
    }
}
