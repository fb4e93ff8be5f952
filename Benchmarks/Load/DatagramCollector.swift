import CBPFShim
import CLoad
import Glibc

/// A collector that only counts, because the benchmark measures the delivery.
enum DatagramCollector {
    private static let room = 2_048

    /// Reads from the socket until the process is killed.
    static func serve(_ socket: Int32, _ ledger: Ledger) throws -> Never {
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: Int(LOAD_BATCH) * room, alignment: 64)
        var lengths = [UInt32](repeating: 0, count: Int(LOAD_BATCH))
        while true {
            let count = load_receive(socket, buffer, UInt32(room), &lengths)
            if count == -EINTR { continue }
            try bench("recvmmsg", count)
            let now = rpa_monotonic_ns()
            for index in 0..<Int(count) where Int(lengths[index]) >= MessageHeader.length {
                ledger.note(MessageHeader(buffer + index * room), length: Int(lengths[index]), at: now)
            }
        }
    }
}
