import Glibc
import SockArrayCore

/// Datagrams over loopback: sources 127.1.0.0 and on, a collector on 0.0.0.0.
enum LoopbackUDP {
    /// A bound socket with SO_REUSEPORT that nobody reads: what doesn't fit is
    /// dropped after the program ran.
    static func collector(port: UInt16) throws -> Descriptor {
        let number = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        var on: Int32 = 1
        setsockopt(number, SOL_SOCKET, SO_REUSEPORT, &on, socklen_t(MemoryLayout<Int32>.size))
        try bind(number, address: 0, port: port)
        return Descriptor(owning: number)
    }

    /// One socket for each source address; they stay open until the process ends.
    static func exporters(_ count: Int) throws -> [Int32] {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return try (0..<count).map { index in
            let number = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
            try bind(number, address: 0x7f01_0000 + UInt32(index), port: 0)
            return number
        }
    }

    static func send(_ length: Int, from socket: Int32, to port: UInt16) {
        var target = name(0x7f00_0001, port)
        withUnsafeBytes(of: &target) { target in
            payload.withUnsafeBytes { bytes in
                _ = sendto(
                    socket, bytes.baseAddress, length, 0,
                    target.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(target.count))
            }
        }
    }

    private static let payload = [UInt8](repeating: 0x2a, count: 1_400)

    private static func bind(_ socket: Int32, address: UInt32, port: UInt16) throws {
        var local = name(address, port)
        let result = withUnsafeBytes(of: &local) {
            Glibc.bind(socket, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
        }
        guard result == 0 else { throw BenchmarkError(description: "bind failed: errno \(errno)") }
    }

    private static func name(_ address: UInt32, _ port: UInt16) -> sockaddr_in {
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = address.bigEndian
        return name
    }
}
