/// What a usage event counts: the bytes of one collector in one group, or of one
/// direction and network of the collectors' cgroup.
public struct UsageSeries: Hashable, Sendable, Codable {
    public enum Direction: String, Sendable, Codable { case ingress, egress }
    /// Whether the peer's address is in the configured prefixes.
    public enum Network: String, Sendable, Codable, CaseIterable { case `internal`, external }

    public var metric: String
    public var direction: Direction
    public var collector: String?
    public var group: String?
    public var cgroup: String?
    public var network: Network?

    /// UDP header and payload, or the TCP header of a SYN, that the program gave the
    /// collector in the group.
    public static func collector(_ collector: String, group: String) -> UsageSeries {
        UsageSeries(metric: "ingress_bytes", direction: .ingress, collector: collector, group: group)
    }

    /// IP packets, headers included, of the sockets that were made in the cgroup.
    public static func cgroup(_ path: String, _ direction: Direction, _ network: Network) -> UsageSeries {
        UsageSeries(metric: "cgroup_bytes", direction: direction, cgroup: path, network: network)
    }
}

/// A usage event, one delivered line: bytes of one series in one interval.
public struct UsageEvent: Equatable, Sendable, Codable {
    public var metric: String
    public var pool: String
    public var direction: UsageSeries.Direction
    public var collector: String?
    public var group: String?
    public var cgroup: String?
    public var network: UsageSeries.Network?
    /// RFC 3339, UTC, milliseconds. The interval begins where the series' one before ended.
    public var eventStartTime: String
    public var eventStopTime: String
    /// Bytes; never 0.
    public var value: UInt64
    /// No two events have the same; one that is delivered again has the same again.
    public var idempotencyKey: String

    public init(
        _ series: UsageSeries, pool: String, from start: UnixTime, to stop: UnixTime, value: UInt64,
        idempotencyKey: String
    ) {
        metric = series.metric
        self.pool = pool
        direction = series.direction
        collector = series.collector
        group = series.group
        cgroup = series.cgroup
        network = series.network
        eventStartTime = start.text
        eventStopTime = stop.text
        self.value = value
        self.idempotencyKey = idempotencyKey
    }

    public var series: UsageSeries {
        UsageSeries(
            metric: metric, direction: direction, collector: collector, group: group, cgroup: cgroup, network: network)
    }
}

extension [UsageEvent] {
    /// One event for each series: of those in both the sum, over both intervals. No
    /// byte is lost, only when within the longer interval it came.
    ///
    /// - Parameter later: the pool's, of the next interval.
    public func merged(with later: [UsageEvent]) -> [UsageEvent] {
        var all = self
        var places = Dictionary(indices.map { (self[$0].series, $0) }, uniquingKeysWith: { first, _ in first })
        for event in later {
            if let place = places[event.series] {
                all[place].value += event.value
                all[place].eventStopTime = event.eventStopTime
            } else {
                places[event.series] = all.count
                all.append(event)
            }
        }
        return all
    }
}
