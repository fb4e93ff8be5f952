/// The program's counts of one address, as values that can be sorted and compared
/// without making text: a table has up to 65,536 of them.
public struct ExporterRecord: Equatable, Sendable {
    public var address: IPAddress
    /// The collector of its last run; nil: none yet, or unknown.
    public var slot: Slot?
    /// Unix time in seconds.
    public var firstSeen: Double
    /// Unix time in seconds.
    public var lastSeen: Double
    public var udp: ExporterTraffic
    public var tcp: ExporterTraffic

    public init(
        address: IPAddress, slot: Slot? = nil, firstSeen: Double = 0, lastSeen: Double = 0,
        udp: ExporterTraffic = ExporterTraffic(), tcp: ExporterTraffic = ExporterTraffic()
    ) {
        self.address = address
        self.slot = slot
        self.firstSeen = firstSeen
        self.lastSeen = lastSeen
        self.udp = udp
        self.tcp = tcp
    }

    public var runs: UInt64 { udp.runs &+ tcp.runs }
    public var bytes: UInt64 { udp.bytes &+ tcp.bytes }

    /// The JSON form of GET /exporters.
    public func tracked(_ name: (Slot) -> String?) -> ExporterStatus {
        ExporterStatus(
            address: "\(address)", collector: slot.flatMap(name), firstSeen: firstSeen, lastSeen: lastSeen, udp: udp,
            tcp: tcp)
    }
}

extension IPAddress {
    /// IPv4 first, then by number; an IPv4-mapped address is the IPv4 address.
    public static func isOrdered(_ left: IPAddress, before right: IPAddress) -> Bool {
        switch (left.unmapped, right.unmapped) {
        case (.v4(let one), .v4(let other)): one < other
        case (.v4, .v6): true
        case (.v6, .v4): false
        case (.v6(let high, let low), .v6(let otherHigh, let otherLow)): (high, low) < (otherHigh, otherLow)
        }
    }
}
