/// Packets of a classic pcap file (draft-ietf-opsawg-pcap), Ethernet link type.
struct PcapFile {
    /// From the Ethernet header on, as far as they were captured.
    let packets: [ArraySlice<UInt8>]

    /// - Throws: `LabError` for another format. A file that is cut short gives
    ///   the packets before the cut.
    init(_ bytes: [UInt8]) throws {
        var reader = ByteReader(bytes[...])
        guard let magic = reader.take(4) else { throw LabError("a pcap file has a header of 24 bytes") }
        // Micro- or nanoseconds; the writer's byte order.
        switch Array(magic) {
        case [0xd4, 0xc3, 0xb2, 0xa1], [0x4d, 0x3c, 0xb2, 0xa1]: reader.isLittleEndian = true
        case [0xa1, 0xb2, 0xc3, 0xd4], [0xa1, 0xb2, 0x3c, 0x4d]: reader.isLittleEndian = false
        default: throw LabError("not a pcap file")
        }
        guard reader.take(16) != nil, let link = reader.word(), link & 0xffff == 1 else {
            throw LabError("not a pcap file of Ethernet packets")
        }
        var packets: [ArraySlice<UInt8>] = []
        while reader.take(8) != nil, let captured = reader.word(), reader.word() != nil,
            let packet = reader.take(Int(captured))
        {
            packets.append(packet)
        }
        self.packets = packets
    }
}

/// Takes numbers off the front of bytes; nil where they don't suffice.
struct ByteReader {
    private(set) var rest: ArraySlice<UInt8>
    var isLittleEndian = false

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
        guard count >= 0, rest.count >= count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    mutating func byte() -> UInt8? { take(1)?.first }

    mutating func half() -> UInt16? { number(2).map { UInt16($0) } }

    mutating func word() -> UInt32? { number(4) }

    private mutating func number(_ count: Int) -> UInt32? {
        guard let bytes = take(count) else { return nil }
        return (isLittleEndian ? Array(bytes.reversed()) : Array(bytes)).reduce(0) { $0 << 8 | UInt32($1) }
    }
}
