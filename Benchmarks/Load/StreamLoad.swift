import CBPFShim
import Glibc

/// The TCP load of routers.
struct StreamLoad {
    let sourceCount: Int
    let port: UInt16
    /// IP_BIND_ADDRESS_NO_PORT, which only the kernel's headers define.
    private static let bindAddressNoPort: Int32 = 24

    /// Opens sessions, waits for the collector's byte, and closes them, several at a time.
    ///
    /// - Returns: the number of answered sessions.
    func connect(seconds: Double, atATime count: Int = 16) throws -> UInt64 {
        let end = rpa_monotonic_ns() + UInt64(seconds * 1e9)
        var (answered, next): (UInt64, UInt32) = (0, 0)
        while rpa_monotonic_ns() < end {
            let sessions = try (0..<count).map { _ in
                next += 1
                return try open(source: next % UInt32(sourceCount))
            }
            for session in sessions {
                var byte: UInt8 = 0
                if recv(session, &byte, 1, 0) == 1 { answered += 1 }
                reset(session)
            }
        }
        return answered
    }

    /// Sends at full speed on that many sessions.
    func sendBulk(seconds: Double, sessions count: Int = 32) throws -> UInt64 {
        let length = 32_768
        let message = UnsafeMutableRawPointer.allocate(byteCount: length, alignment: 64)
        defer { message.deallocate() }
        message.initializeMemory(as: UInt8.self, repeating: 0x2a, count: length)
        MessageHeader.prepare(message, length: length)
        let sessions = try (0..<count).map { try open(source: UInt32($0)) }
        defer { sessions.forEach(reset) }
        let end = rpa_monotonic_ns() + UInt64(seconds * 1e9)
        var (bytes, turn): (UInt64, Int) = (0, 0)
        while true {
            let now = rpa_monotonic_ns()
            if now >= end { return bytes }
            let source = UInt32(turn % count)
            MessageHeader(source: source, sent: now).write(to: message)
            bytes += try write(message, length, on: sessions[turn % count])
            turn += 1
        }
    }

    /// Sends small messages at a fixed rate, like route changes: two sessions for each source.
    ///
    /// - Parameter rate: messages a second, over all sessions.
    func sendMessages(_ sessions: [Int32], length: Int, rate: Int, seconds: Double) throws -> UInt64 {
        let message = UnsafeMutableRawPointer.allocate(byteCount: length, alignment: 64)
        defer { message.deallocate() }
        message.initializeMemory(as: UInt8.self, repeating: 0x2a, count: length)
        MessageHeader.prepare(message, length: length)
        let began = rpa_monotonic_ns()
        var sent: UInt64 = 0
        while true {
            let now = rpa_monotonic_ns()
            let elapsed = Double(now - began) / 1e9
            if elapsed >= seconds { return sent }
            while Double(sent) < elapsed * Double(rate) {
                let turn = Int(sent) % sessions.count
                MessageHeader(source: UInt32(turn % sourceCount), sent: rpa_monotonic_ns()).write(to: message)
                _ = try write(message, length, on: sessions[turn])
                sent += 1
            }
            Loopback.pause(nanoseconds: 200_000)
        }
    }

    func openAll(_ count: Int) throws -> [Int32] { try (0..<count).map { try open(source: UInt32($0 % sourceCount)) } }

    private func write(_ bytes: UnsafeRawPointer, _ length: Int, on session: Int32) throws -> UInt64 {
        var done = 0
        while done < length {
            let count = send(session, bytes + done, length - done, Int32(MSG_NOSIGNAL))
            guard count > 0 else { throw BenchmarkError(description: "send: errno \(errno)") }
            done += count
        }
        return UInt64(length)
    }

    private func open(source: UInt32) throws -> Int32 {
        let session = try bench("socket", socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
        var on: Int32 = 1
        // The kernel chooses the port at connect: each source has all ports.
        setsockopt(session, Int32(IPPROTO_IP), Self.bindAddressNoPort, &on, 4)
        var limit = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(session, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(session, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let bound = Loopback.withName(Loopback.exporter(source), 0) { bind(session, $0, $1) }
        let result = bound == 0 ? Loopback.withName(0x7f00_0001, port) { Glibc.connect(session, $0, $1) } : -1
        guard result == 0 else {
            let code = errno
            close(session)
            throw BenchmarkError(description: "connect: errno \(code)")
        }
        return session
    }

    /// Without TIME_WAIT, which would fill the table of ports.
    func reset(_ session: Int32) {
        var now = linger(l_onoff: 1, l_linger: 0)
        setsockopt(session, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
        close(session)
    }
}
