/// What came from one address, in all groups together.
///
/// Counted since the address was first seen, or since it came back after it had to
/// give up its entry.
public struct TrackedExporter: Equatable, Sendable {
    public let address: IPAddress
    public let udp: ExporterTraffic
    public let tcp: ExporterTraffic
    /// The slot that received its last run; nil: none yet.
    public var slot: Slot?
    /// Since boot (CLOCK_MONOTONIC), right to a tick and 64 jiffies.
    public var firstSeen: Duration = .zero
    public var lastSeen: Duration = .zero

    public init(address: IPAddress, udp: ExporterTraffic, tcp: ExporterTraffic = ExporterTraffic()) {
        self.address = address
        self.udp = udp
        self.tcp = tcp
    }

    public init(address: IPAddress, runs: UInt64, bytes: UInt64) {
        self.init(address: address, udp: ExporterTraffic(runs: runs, bytes: bytes))
    }

    /// What it sent after an earlier reading; nil: nothing. For one that had to give its
    /// entry up in between, and began to count anew: all.
    public func since(_ before: TrackedExporter) -> TrackedExporter? {
        guard firstSeen == before.firstSeen, runs >= before.runs, bytes >= before.bytes else { return self }
        guard runs > before.runs else { return nil }
        return TrackedExporter(address: address, runs: runs - before.runs, bytes: bytes - before.bytes)
    }

    /// Both, of one address that has had two entries.
    package func merged(with other: TrackedExporter) -> TrackedExporter {
        var (udp, tcp) = (udp, tcp)
        udp += other.udp
        tcp += other.tcp
        var merged = TrackedExporter(address: address, udp: udp, tcp: tcp)
        merged.slot = (lastSeen < other.lastSeen ? other.slot : slot) ?? slot ?? other.slot
        merged.firstSeen = min(firstSeen, other.firstSeen)
        merged.lastSeen = max(lastSeen, other.lastSeen)
        return merged
    }

    /// SYNs, datagrams, or trains of datagrams (UDP GRO).
    public var runs: UInt64 { udp.runs + tcp.runs }
    /// UDP header and payload, or the TCP header of a SYN; delivered or not.
    public var bytes: UInt64 { udp.bytes + tcp.bytes }
}
