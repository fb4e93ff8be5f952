import Glibc
import PoolModel

/// A router, as a collector sees it: one source address, IPFIX or NetFlow from
/// several source ports, and one BMP session that stays open.
public final class Exporter {
    public let address: IPAddress
    private let collector: IPAddress
    private let ports: (ipfix: UInt16, bmp: UInt16)
    private var session: InternetSocket?

    /// - Parameter collector: where it sends to; loopback of its family by default.
    public init(
        _ address: IPAddress, to collector: IPAddress? = nil, ports: (ipfix: UInt16, bmp: UInt16) = (4_739, 1_790)
    ) {
        self.address = address
        self.ports = ports
        if case .v4 = address {
            self.collector = collector ?? .v4(0x7f00_0001)
        } else {
            self.collector = collector ?? .v6(0, 1)
        }
    }

    /// Sends datagrams from one source port.
    public func send(_ datagrams: [[UInt8]], pause: UInt32 = 0) throws {
        let socket = try InternetSocket(.udp, bind: address)
        for datagram in datagrams {
            // The ICMP error of a missing collector isn't an error of the exporter.
            try? socket.send(datagram, to: collector, ports.ipfix)
            if pause > 0 { usleep(pause) }
        }
    }

    /// Sends the datagrams of a capture from their own source ports, with a pause in microseconds after
    /// each, because a queue holds only a few hundred.
    public func replay(_ capture: Capture, pause: UInt32 = 300) throws {
        var sockets: [UInt16: InternetSocket] = [:]
        for datagram in capture.datagrams {
            let socket = try sockets[datagram.port] ?? InternetSocket(.udp, bind: address, port: datagram.port)
            sockets[datagram.port] = socket
            try? socket.send(datagram.payload, to: collector, ports.ipfix)
            usleep(pause)
        }
        if !capture.stream.isEmpty { try openSession(capture.stream) }
    }

    /// A stream of generated IPFIX: its template, then one flow in each of the
    /// following messages, all from one source port.
    public func sendStream(_ number: UInt32, flows: Int = 3) throws {
        let now = UInt32(truncatingIfNeeded: time(nil))
        let start = IPFIXMessage(domain: number)
        let messages = (0..<UInt32(flows)).map { index in
            IPFIXMessage(domain: number, sequence: index).data(
                [.init(source: 0x0b00_0000 | number << 16 | index, destination: 0x0c00_0001, packets: 1, octets: 100)],
                at: now)
        }
        try send([start.template(at: now)] + messages)
    }

    /// Opens the BMP session, or opens it again, and writes the bytes on it.
    public func openSession(_ stream: [UInt8]) throws {
        session = nil
        let socket = try InternetSocket(.tcp, bind: address)
        try socket.connect(collector, ports.bmp)
        try socket.write(stream)
        session = socket
    }

    public func closeSession() { session = nil }
}
