import Glibc
import PoolModel
import SockArrayCore
import TelemetryLab
import Testing

/// One after the other: what one sandbox's start or child copies of this process's
/// descriptors keeps the sockets of all others open for a moment.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces")) enum SocketDiagTests {}

/// A TCP session of this process: both its ends.
final class SessionFixture {
    private(set) var client: InternetSocket?
    /// -1: not accepted, or closed.
    private(set) var accepted: Int32 = -1
    let clientPort: UInt16

    init(
        to listener: InternetSocket, _ address: IPAddress, _ port: UInt16, from source: IPAddress,
        accepting: Bool = true
    ) throws {
        let client = try InternetSocket(.tcp, bind: source)
        self.client = client
        clientPort = try client.localPort
        try client.connect(address, port)
        guard accepting else { return }
        accepted = accept(listener.number, nil, nil)
        guard accepted >= 0 else { throw LabError("accept: errno \(errno)") }
    }

    deinit { closeAccepted() }

    func closeClient() { client = nil }

    func closeAccepted() {
        if accepted >= 0 { close(accepted) }
        accepted = -1
    }

    /// The errno that reading gives, 0 for bytes or the end.
    static func readError(_ number: Int32) -> Int32 {
        var byte: UInt8 = 0
        return recv(number, &byte, 1, Int32(MSG_DONTWAIT)) < 0 ? errno : 0
    }
}

extension InternetSocket {
    var cookie: UInt64 {
        get throws { try SocketIdentity.cookie(of: number) }
    }

    var localPort: UInt16 {
        get throws { try PoolFixture.offer(number).offer.socket.port }
    }

    /// Nothing more is taken from the wire: what comes is neither seen nor acknowledged.
    func goDeaf() throws {
        // sock_filter {BPF_RET | BPF_K, 0, 0, 0}, and the sock_fprog of one.
        var code: (UInt16, UInt8, UInt8, UInt32) = (6, 0, 0, 0)
        let result = withUnsafePointer(to: &code) { code in
            var program: (UInt16, UnsafeRawPointer) = (1, UnsafeRawPointer(code))
            return setsockopt(
                number, SOL_SOCKET, SO_ATTACH_FILTER, &program, socklen_t(MemoryLayout.size(ofValue: program)))
        }
        guard result == 0 else { throw LabError("SO_ATTACH_FILTER: errno \(errno)") }
    }
}

/// How sock_diag(7) and /proc know a socket.
enum SocketIdentity {
    static func cookie(of number: Int32) throws -> UInt64 { try PoolFixture.offer(number).offer.socket.cookie }

    static func inode(of number: Int32) -> UInt32 {
        var facts = stat()
        fstat(number, &facts)
        return UInt32(facts.st_ino)
    }

    /// So many descriptors may be open in this process.
    static func makeRoom(for count: UInt) {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = max(limit.rlim_cur, count)
        limit.rlim_max = max(limit.rlim_max, limit.rlim_cur)
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}

extension SocketCloseEvents {
    /// Waits for the next event with poll(2).
    func wait(_ limit: Duration = .seconds(2)) throws -> Event? {
        var wait = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        guard poll(&wait, 1, Int32(limit / .milliseconds(1))) == 1 else { return nil }
        return try next()
    }

    /// The next closed socket; nil for an overrun, or where none comes in 20 s.
    func waitForClosed() throws -> ClosedSocket? {
        if case .closed(let socket) = try wait(.seconds(20)) { return socket }
        return nil
    }
}
