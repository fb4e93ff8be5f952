import Glibc
import SockArrayCore

/// Datagrams over loopback to a collector on 0.0.0.0.
enum LoopbackUDP {
    /// A bound socket with SO_REUSEPORT that nobody reads: what doesn't fit is
    /// dropped after the program ran.
    static func collector(port: UInt16) throws -> Descriptor {
        let collector = Descriptor(owning: socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0))
        var on: Int32 = 1
        setsockopt(collector.number, SOL_SOCKET, SO_REUSEPORT, &on, socklen_t(MemoryLayout<Int32>.size))
        var local = name(0, port)
        let result = withUnsafeBytes(of: &local) {
            bind(
                collector.number, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
        }
        guard result == 0 else { throw BenchmarkError(description: "bind failed: errno \(errno)") }
        return collector
    }

    fileprivate static func name(_ address: UInt32, _ port: UInt16) -> sockaddr_in {
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = address.bigEndian
        return name
    }
}

/// Routers with the addresses 127.1.0.0 and on. They share one socket that names the
/// source of each datagram (IP_PKTINFO, ip(7)): a socket for each would fill the caches
/// with what no collector's host has.
struct LoopbackRouters: ~Copyable {
    let count: Int
    private let sender = Descriptor(owning: socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0))
    private var state: UInt64 = 1
    private let payload = [UInt8](repeating: 0x2a, count: 1_400)

    init(count: Int) {
        self.count = count
    }

    private struct Source {
        var header = cmsghdr()
        var information = in_pktinfo()

        init(_ address: UInt32) {
            header.cmsg_len = MemoryLayout<cmsghdr>.size + MemoryLayout<in_pktinfo>.size
            header.cmsg_level = Int32(IPPROTO_IP)
            header.cmsg_type = Int32(IP_PKTINFO)
            information.ipi_spec_dst.s_addr = address.bigEndian
        }
    }

    /// From any of them: in turns, the memory of the next would be in the cache before
    /// it is asked for. By a linear congruential generator (Knuth, MMIX).
    ///
    /// - Parameter length: of the payload in bytes, at most 1,400.
    mutating func sendOne(_ length: Int, to port: UInt16) throws {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        try send(length, from: Int((state >> 33) % UInt64(count)), to: port)
    }

    /// Every one sends.
    func sendAll(_ length: Int, to port: UInt16) throws {
        for index in 0..<count { try send(length, from: index, to: port) }
    }

    private func send(_ length: Int, from index: Int, to port: UInt16) throws {
        var target = LoopbackUDP.name(0x7f00_0001, port)
        var source = Source(0x7f01_0000 + UInt32(index))
        let sent = payload.withUnsafeBytes { payload in
            withUnsafeMutablePointer(to: &target) { target in
                withUnsafeMutablePointer(to: &source) { source in
                    var part = iovec(
                        iov_base: UnsafeMutableRawPointer(mutating: payload.baseAddress), iov_len: length)
                    return withUnsafeMutablePointer(to: &part) { part in
                        var message = msghdr()
                        message.msg_name = UnsafeMutableRawPointer(target)
                        message.msg_namelen = socklen_t(MemoryLayout<sockaddr_in>.size)
                        (message.msg_iov, message.msg_iovlen) = (part, 1)
                        message.msg_control = UnsafeMutableRawPointer(source)
                        message.msg_controllen = MemoryLayout<Source>.stride
                        return sendmsg(sender.number, &message, 0)
                    }
                }
            }
        }
        guard sent == length else { throw BenchmarkError(description: "sendmsg failed: errno \(errno)") }
    }
}
