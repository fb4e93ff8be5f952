/// Which of a collector's sockets in a group receives a run of the collector (rpa_choice). Which collector receives
/// it is decided before, by the exporter alone.
public enum WorkerChoice: String, CaseIterable, Sendable, Codable {
    /// By the source address: an exporter's datagrams stay in order on one socket.
    case exporter
    /// By the 4-tuple of addresses and ports.
    case flow
    /// In turn, counted on each CPU.
    case packet
    /// By the CPU that received the packet: the socket with that SO_INCOMING_CPU, or else the CPU's number modulo the
    /// number of sockets.
    case cpu

    /// As the program knows it.
    public var code: UInt64 {
        switch self {
        case .exporter: 0
        case .flow: 1
        case .packet: 2
        case .cpu: 3
        }
    }
}
