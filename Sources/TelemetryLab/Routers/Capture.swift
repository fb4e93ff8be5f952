import PoolModel

/// The telemetry of one router from a capture, ready to be sent again.
public struct Capture: Sendable {
    /// File name without folder.
    public let name: String
    /// Source address of the packets.
    public let exporter: IPAddress
    /// IPFIX and NetFlow: UDP payloads in the order of capture, each with the
    /// source port that it came from.
    public let datagrams: [(port: UInt16, payload: [UInt8])]
    /// BMP: what the router wrote on its TCP connection; empty if there was none.
    public let stream: [UInt8]

    /// - Throws: `LabError` for a file that can't be read or has no IPv4 packet.
    public init(path: String) throws {
        guard let bytes = FileText.readBytes(path) else { throw LabError("cannot read \(path)") }
        try self.init(name: path.split(separator: "/").last.map(String.init) ?? path, bytes: bytes)
    }

    init(name: String, bytes: [UInt8]) throws {
        var exporter: IPAddress?
        var datagrams: [(port: UInt16, payload: [UInt8])] = []
        var segments = TCPBytes()
        for packet in try PcapFile(bytes).packets {
            guard let (source, content) = Self.read(packet) else { continue }
            exporter = exporter ?? source
            guard source == exporter else { continue }
            switch content {
            case .datagram(let port, let payload): datagrams.append((port, payload))
            case .segment(let sequence, let payload): segments.add(payload, at: sequence)
            }
        }
        guard let exporter else { throw LabError("\(name) has no UDP or TCP packet over IPv4") }
        self.name = name
        self.exporter = exporter
        self.datagrams = datagrams
        stream = segments.bytes
    }

    /// All captures of a folder, by name.
    public static func all(in folder: String) throws -> [Capture] {
        try FileText.names(in: folder).filter { $0.hasSuffix(".pcap") }.map { try Capture(path: "\(folder)/\($0)") }
    }

    private enum Content {
        case datagram(port: UInt16, [UInt8])
        case segment(sequence: UInt32, [UInt8])
    }

    /// Ethernet (with or without an 802.1Q tag), IPv4, UDP or TCP.
    private static func read(_ packet: ArraySlice<UInt8>) -> (IPAddress, Content)? {
        var reader = ByteReader(packet)
        guard reader.take(12) != nil, var type = reader.half() else { return nil }
        if type == 0x8100 {
            guard reader.take(2) != nil, let inner = reader.half() else { return nil }
            type = inner
        }
        guard type == 0x0800, let first = reader.byte(), reader.byte() != nil, let length = reader.half(),
            reader.take(5) != nil, let number = reader.byte(), reader.take(2) != nil, let source = reader.word(),
            reader.take(4) != nil, reader.take(Int(first & 15) * 4 - 20) != nil
        else { return nil }
        // Ethernet pads short packets: the IP length counts.
        var body = ByteReader(reader.rest.prefix(max(0, Int(length) - Int(first & 15) * 4)))
        switch number {
        case 17:
            guard let port = body.half(), body.take(6) != nil else { return nil }
            return (.v4(source), .datagram(port: port, Array(body.rest)))
        case 6:
            guard body.take(4) != nil, let sequence = body.word(), body.take(4) != nil, let offset = body.byte(),
                let flags = body.byte(), body.take(Int(offset >> 4) * 4 - 14) != nil
            else { return nil }
            // A SYN counts one; but captures that were cut out of a session and
            // written anew have data under the SYN flag, which counts from there.
            let isBareSYN = flags & 2 != 0 && body.rest.isEmpty
            return (.v4(source), .segment(sequence: isBareSYN ? sequence &+ 1 : sequence, Array(body.rest)))
        default: return nil
        }
    }
}

/// Orders the segments of one direction by sequence number and drops duplicates (RFC 9293).
struct TCPBytes {
    private(set) var bytes: [UInt8] = []
    private var next: UInt32?

    mutating func add(_ payload: [UInt8], at sequence: UInt32) {
        let known = Int32(bitPattern: (next ?? sequence) &- sequence)
        guard known >= 0, Int(known) <= payload.count else { return }
        bytes += payload.dropFirst(Int(known))
        next = sequence &+ UInt32(payload.count)
    }
}
