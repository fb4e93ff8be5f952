import CBPFShim
import Glibc
import SockArrayCore
import TelemetryLab

/// Sees every RST on the sandbox's loopback, and what its session had come to:
/// packet(7), with a filter that passes SYN, FIN and RST alone.
final class ResetWatch {
    struct Reset: CustomStringConvertible {
        let sender: String
        let receiver: String
        /// Ends that had said that they have nothing more to say (FIN), of two.
        let finished: Int

        /// It answers the agent's, which comes from the address that it goes to.
        var isProbe: Bool { sender.hasPrefix("127.0.0.1:") && receiver.hasPrefix("127.0.0.1:") }

        var description: String { "\(sender) to \(receiver) after \(finished) FIN" }
    }

    private(set) var resets: [Reset] = []
    private let socket: Descriptor
    /// By both names, in their order: who has sent a FIN.
    private var finished: [String: Set<String>] = [:]

    private enum Flag {
        static let fin: UInt8 = 1
        static let syn: UInt8 = 2
        static let rst: UInt8 = 4
    }

    /// struct sock_filter.
    private struct Instruction {
        var code: UInt16
        var ifTrue: UInt8 = 0
        var ifFalse: UInt8 = 0
        var value: UInt32
    }

    /// Of an IPv4 packet: each once, as it is received.
    private static let filter = [
        Instruction(code: 0x20, value: 0xffff_f004),  // its kind
        Instruction(code: 0x15, ifTrue: 8, value: 4),  // outgoing
        Instruction(code: 0x30, value: 9),
        Instruction(code: 0x15, ifFalse: 6, value: 6),  // TCP
        Instruction(code: 0x28, value: 6),
        Instruction(code: 0x45, ifTrue: 4, value: 0x1fff),  // a later fragment
        Instruction(code: 0xb1, value: 0),
        Instruction(code: 0x50, value: 13),
        Instruction(code: 0x45, ifFalse: 1, value: UInt32(Flag.fin | Flag.syn | Flag.rst)),
        Instruction(code: 0x06, value: 64),
        Instruction(code: 0x06, value: 0),
    ]

    init() throws {
        let (internetProtocol, attachFilter, forceBuffer): (UInt16, Int32, Int32) = (0x0800, 26, 33)
        let number = Glibc.socket(
            AF_PACKET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), Int32(internetProtocol.bigEndian))
        guard number >= 0 else { throw LabError("packet socket: errno \(errno)") }
        socket = Descriptor(owning: number)
        var size: Int32 = 16 << 20
        setsockopt(number, SOL_SOCKET, forceBuffer, &size, socklen_t(MemoryLayout<Int32>.size))
        var filter = Self.filter
        let result = filter.withUnsafeMutableBufferPointer { instructions in
            // struct sock_fprog.
            var program = (UInt64(instructions.count), instructions.baseAddress!)
            return setsockopt(number, SOL_SOCKET, attachFilter, &program, 16)
        }
        guard result == 0 else { throw LabError("SO_ATTACH_FILTER: errno \(errno)") }
    }

    /// Reads what has been seen since the last time.
    func look() {
        var packet = [UInt8](repeating: 0, count: 64)
        while true {
            let length = recv(socket.number, &packet, packet.count, Int32(MSG_DONTWAIT))
            guard length >= 40 else { return }
            take(packet)
        }
    }

    private func take(_ packet: [UInt8]) {
        let start = Int(packet[0] & 15) * 4
        func name(_ address: Int, _ port: Int) -> String {
            packet[address..<address + 4].map { "\($0)" }.joined(separator: ".")
                + ":\(Int(packet[port]) << 8 | Int(packet[port + 1]))"
        }
        let (sender, receiver) = (name(12, start), name(16, start + 2))
        let session = [sender, receiver].sorted().joined(separator: " ")
        let flags = packet[start + 13]
        if flags & Flag.syn != 0 { finished[session] = [] }
        if flags & Flag.fin != 0 { finished[session, default: []].insert(sender) }
        if flags & Flag.rst != 0 {
            resets.append(Reset(sender: sender, receiver: receiver, finished: finished[session]?.count ?? 0))
        }
    }
}
