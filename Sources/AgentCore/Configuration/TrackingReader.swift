import PoolModel

/// Reads `tracking`, the settings for tracking exporters: `off`, or `{size: 65536, interval: 10s}`.
enum TrackingReader {
    static let leastInterval = Duration.seconds(1)

    static func read(_ value: Value, file: String) throws(Failure) -> Tracking {
        if let text = value.node.text {
            guard text == "off" else {
                throw value.problem(
                    "tracking \(text.prefix(80)) is neither off nor a mapping",
                    "write off, or {size: \(Tracking.defaultSize), interval: 10s}")
            }
            return .off
        }
        let section = try Section(value.node, file: file, title: "tracking")
        try section.allowOnly(ConfigurationKey.names(in: "tracking"))
        var tracking = Tracking()
        if let size = try section.optional("size") { tracking.size = try size.integer(in: Tracking.sizes) }
        if let interval = try section.optional("interval") { tracking.interval = try self.interval(interval) }
        return tracking
    }

    private static func interval(_ value: Value) throws(Failure) -> Duration {
        if try value.string() == "exact" { return .zero }
        let interval = try value.duration()
        guard interval >= leastInterval else {
            throw value.problem(
                "interval \(try value.string()) is less than a second",
                "use 1s or more, or exact, which reports each datagram and connection")
        }
        return interval
    }
}
