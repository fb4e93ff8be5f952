import CBPFShim
import CLoad
import Glibc

/// The UDP load of exporters: each datagram comes from a random source, and from the source's streams
/// (source ports) in turn. The sources share sockets, which set the source of each datagram (IP_PKTINFO,
/// ip(7)).
final class DatagramLoad {
    static let streamCount = 4
    private static let batch = Int(LOAD_BATCH)

    private let sourceCount: Int
    private let length: Int
    private let sockets: [Int32]
    private let port: UInt16
    private let payload: UnsafeMutableRawPointer
    private var sources = [UInt32](repeating: 0, count: batch)
    private var state: UInt64 = 1
    private var turn = 0
    private(set) var sent: UInt64 = 0

    /// - Parameter length: of the payload in bytes, 32 to 1,400.
    init(sources: Int, length: Int, port: UInt16) throws {
        sourceCount = sources
        self.length = length
        sockets = try (0..<Self.streamCount).map { _ in
            try bench("socket", socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0))
        }
        self.port = port
        payload = .allocate(byteCount: Self.batch * length, alignment: 64)
        payload.initializeMemory(as: UInt8.self, repeating: 0x2a, count: Self.batch * length)
        for index in 0..<Self.batch { MessageHeader.prepare(payload + index * length, length: length) }
    }

    deinit {
        sockets.forEach { close($0) }
        payload.deallocate()
    }

    /// - Parameters:
    ///   - rate: datagrams per second; nil means full speed.
    ///   - seconds: the minimum time.
    func run(rate: Int?, seconds: Double) throws {
        let began = rpa_monotonic_ns()
        let end = began + UInt64(seconds * 1e9)
        let before = sent
        while true {
            let now = rpa_monotonic_ns()
            if now >= end { return }
            guard let rate else {
                try send(Self.batch)
                continue
            }
            let due = UInt64(Double(now - began) * Double(rate) / 1e9) - (sent - before)
            if due > 0 { try send(min(Int(due), Self.batch)) }
            if due < Self.batch { Loopback.pause(nanoseconds: 1_000_000) }
        }
    }

    /// Sends that many datagrams at full speed.
    func send(total: Int) throws {
        var left = total
        while left > 0 {
            let before = sent
            try send(min(left, Self.batch))
            left -= Int(sent - before)
        }
    }

    /// Sends one datagram from each source.
    func sendFromEach() throws {
        var first = 0
        while first < sourceCount {
            let before = sent
            try send(min(sourceCount - first, Self.batch)) { UInt32(first + $0) }
            first += Int(sent - before)
        }
    }

    /// The next source, by a linear congruential generator (Knuth, MMIX). In sequential order, the cache
    /// would have the memory of the next source already.
    private func nextSource() -> UInt32 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt32(((state >> 32) &* UInt64(sourceCount)) >> 32)
    }

    private func send(_ count: Int) throws { try send(count) { _ in nextSource() } }

    @inline(__always)
    private func send(_ count: Int, _ sourceOf: (Int) -> UInt32) throws {
        let now = rpa_monotonic_ns()
        for index in 0..<count {
            let source = sourceOf(index)
            MessageHeader(source: source, sent: now).write(to: payload + index * length)
            sources[index] = Loopback.exporter(source)
        }
        let result = load_send(sockets[turn], port, payload, UInt32(length), sources, UInt32(count))
        turn = (turn + 1) % sockets.count
        if result > 0 { sent += UInt64(result) }
        // An ICMP error belongs to an earlier datagram.
        if ![-ECONNREFUSED, -ENOBUFS, -EINTR, -EAGAIN].contains(result) { try bench("sendmmsg", result) }
    }
}

/// Addresses of the sandbox's loopback, to which every address is local.
enum Loopback {
    /// The address of an exporter, from 127.1.0.0 on, in host byte order.
    static func exporter(_ index: UInt32) -> UInt32 { 0x7f01_0000 + index }

    static func name(_ address: UInt32, _ port: UInt16) -> sockaddr_in {
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = address.bigEndian
        return name
    }

    static func withName<Result>(
        _ address: UInt32, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        withUnsafeBytes(of: name(address, port)) {
            body($0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
        }
    }

    static func pause(nanoseconds: Int) {
        var time = timespec(tv_sec: 0, tv_nsec: nanoseconds)
        nanosleep(&time, nil)
    }
}
