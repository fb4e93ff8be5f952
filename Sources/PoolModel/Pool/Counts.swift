/// Runs of the program that delivered to one slot of one group, since the pool
/// was made. A run is a SYN, a datagram, or a train of datagrams (UDP GRO).
public struct SlotTraffic: Equatable, Sendable {
    /// The slot owns the exporter's bucket.
    public var selected: UInt64
    /// The slot stands in for a better rank.
    public var failedOver: UInt64
    /// Bytes of both; UDP header and payload, or the TCP header of the SYN.
    public var bytes: UInt64

    public init(selected: UInt64 = 0, failedOver: UInt64 = 0, bytes: UInt64 = 0) {
        self.selected = selected
        self.failedOver = failedOver
        self.bytes = bytes
    }

    public var runs: UInt64 { selected + failedOver }

    public static func + (left: Self, right: Self) -> Self {
        Self(
            selected: left.selected + right.selected, failedOver: left.failedOver + right.failedOver,
            bytes: left.bytes + right.bytes)
    }

    /// What came since.
    public static func - (left: Self, right: Self) -> Self {
        Self(
            selected: left.selected - right.selected, failedOver: left.failedOver - right.failedOver,
            bytes: left.bytes - right.bytes)
    }

    public static func += (left: inout Self, right: Self) { left = left + right }
}

/// Runs of the program that dropped, in one group.
public struct GroupLosses: Equatable, Sendable {
    /// The exporter's collector is absent, for less than the hold time.
    public var held: UInt64 = 0
    /// No collector of the pool is usable.
    public var noCollector: UInt64 = 0
    /// No source address could be read.
    public var badPacket: UInt64 = 0
    /// Probes of the agent, which show that the program is attached: in no outcome.
    public var probes: UInt64 = 0
    /// Runs of the program, probes included.
    public var runs: UInt64 { held + noCollector + badPacket + probes }
    /// Bytes of `held` and `noCollector`; UDP header and payload, or the TCP header of the SYN.
    public var bytes: UInt64 = 0

    public init() {}
}
