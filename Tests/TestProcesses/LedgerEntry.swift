/// One thing that a test process got or did: 32 bytes, of which the first 24
/// are what travels, in each datagram and as the first bytes of each session. In
/// the byte order of the machine, which both ends are on.
struct LedgerEntry: BitwiseCopyable {
    enum Kind: UInt32 {
        case datagram = 1
        /// A collector has accepted the session; a router's connect has succeeded.
        case began
        /// A collector has read its end; a router has closed it.
        case ended
        /// A router learned that its session has ended.
        case lost
        /// A router's connect was answered by RST.
        case refused
    }

    /// 0 of an entry that isn't written.
    var kind: UInt32 = 0
    /// Index of the exporter, whose address is the first one's plus that.
    var exporter: UInt32 = 0
    /// Counts the exporter's connects. In a datagram: of the session that was up
    /// when it was sent; 0: none was.
    var session: UInt32 = 0
    /// Counts the exporter's datagrams, from 0 on.
    var number: UInt32 = 0
    /// When it was sent, or its connect was called: CLOCK_MONOTONIC, nanoseconds.
    var sent: UInt64 = 0
    /// When the writer recorded the event. 0 if it was killed before it stored the time.
    var noted: UInt64 = 0

    static let size = 32
    static let sizeOnWire = 24
}
