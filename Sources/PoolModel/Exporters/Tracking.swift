/// How a pool keeps track of its exporters.
public struct Tracking: Equatable, Sendable {
    /// Number of exporters that can be tracked; 0: none.
    public var size: Int
    /// The minimum time between two events of one exporter; zero: each of its runs is an event.
    public var interval: Duration

    public static let defaultSize = 65_536
    public static let sizes = 64...1_048_576
    public static let defaultInterval = Duration.seconds(10)

    public init(size: Int = Self.defaultSize, interval: Duration = Self.defaultInterval) {
        self.size = size
        self.interval = interval
    }

    public static let off = Tracking(size: 0)

    /// To who asks for exporters all the same.
    package static let offAdvice =
        "exporters are not tracked: tracking is off in the configuration; "
        + "write tracking: {size: \(defaultSize)} there, and run: reuseport-agent reload"
}
