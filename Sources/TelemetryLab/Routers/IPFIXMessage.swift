/// Generated IPFIX (RFC 7011): one template and data records of it.
public struct IPFIXMessage {
    /// Observation domain, which a template belongs to.
    public var domain: UInt32
    /// Data records sent before in this domain.
    public var sequence: UInt32

    public init(domain: UInt32, sequence: UInt32 = 0) {
        self.domain = domain
        self.sequence = sequence
    }

    /// One flow of a data record.
    public struct Flow {
        public var source: UInt32
        public var destination: UInt32
        public var packets: UInt32
        public var octets: UInt32

        public init(source: UInt32, destination: UInt32, packets: UInt32, octets: UInt32) {
            self.source = source
            self.destination = destination
            self.packets = packets
            self.octets = octets
        }
    }

    private static let templateId: UInt16 = 256
    /// Information elements of the IANA registry, with their lengths in bytes.
    private static let fields: [(element: UInt16, length: UInt16)] = [
        (8, 4),  // sourceIPv4Address
        (12, 4),  // destinationIPv4Address
        (7, 2),  // sourceTransportPort
        (11, 2),  // destinationTransportPort
        (4, 1),  // protocolIdentifier
        (2, 4),  // packetDeltaCount
        (1, 4),  // octetDeltaCount
    ]

    /// The template set (RFC 7011, 3.4.1).
    public func template(at time: UInt32) -> [UInt8] {
        var set = bytes(Self.templateId) + bytes(UInt16(Self.fields.count))
        for field in Self.fields { set += bytes(field.element) + bytes(field.length) }
        return message(setId: 2, set, time)
    }

    /// A data set (RFC 7011, 3.4.3).
    public func data(_ flows: [Flow], at time: UInt32) -> [UInt8] {
        let records = flows.flatMap { flow -> [UInt8] in
            let key = bytes(flow.source) + bytes(flow.destination) + bytes(UInt16(40_000)) + bytes(UInt16(443)) + [6]
            return key + bytes(flow.packets) + bytes(flow.octets)
        }
        return message(setId: Self.templateId, records, time)
    }

    private func message(setId: UInt16, _ content: [UInt8], _ time: UInt32) -> [UInt8] {
        let set = bytes(setId) + bytes(UInt16(content.count + 4)) + content
        return bytes(UInt16(10)) + bytes(UInt16(set.count + 16)) + bytes(time) + bytes(sequence) + bytes(domain) + set
    }
}

/// Network byte order.
func bytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
    withUnsafeBytes(of: number.bigEndian) { Array($0) }
}
