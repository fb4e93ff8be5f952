/// What came from one address since the pool was made, in all groups together.
public struct Sighting: Equatable, Sendable {
    public let address: IPAddress
    /// SYNs, datagrams, or trains of datagrams (UDP GRO).
    public let runs: UInt64
    /// UDP header and payload, or the TCP header of a SYN; delivered or not.
    public let bytes: UInt64

    public init(address: IPAddress, runs: UInt64, bytes: UInt64) {
        self.address = address
        self.runs = runs
        self.bytes = bytes
    }
}
