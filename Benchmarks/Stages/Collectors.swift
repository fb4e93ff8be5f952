import CBPFShim
import Glibc
import SockArrayCore
import TelemetryLab

/// The collectors' processes, each with its socket.
final class Collectors {
    private(set) var processes: [ChildProcess] = []
    private(set) var ledgers: [Ledger] = []
    /// Ours too, until the balancer has registered them.
    private(set) var sockets: [Int32] = []

    /// Room for what a collector hasn't read yet: 16 MiB each, as much for all subjects.
    private static let receiveBuffer: Int32 = 16 << 20
    /// SO_RCVBUFFORCE, which Glibc's headers leave to the kernel's.
    private static let receiveBufferForce: Int32 = 33

    init(_ setting: StageSetting, in sandbox: Sandbox) throws {
        let program = try Self.ownProgram()
        for index in 0..<setting.collectors {
            let isDatagram = setting.transport == .datagrams
            let port = setting.subject.sharesPort ? setting.port : setting.ownPort(index)
            let socket = try Self.socket(isDatagram, port)
            let ledger = sandbox.newPath("ledger")
            ledgers.append(try Ledger(path: ledger))
            processes.append(
                try ChildProcess(
                    [program, "collector", "--ledger", ledger] + (isDatagram ? [] : ["--streams"]),
                    in: sandbox, descriptors: [CollectorCommand.socket: socket]))
            sockets.append(socket)
        }
    }

    func closeOurs() {
        sockets.forEach { close($0) }
        sockets = []
    }

    /// The program's path; in the sandbox's PID namespace it is the first process.
    private static func ownProgram() throws -> String {
        guard let path = realpath("/proc/self/exe", nil) else {
            throw BenchmarkError(description: "/proc/self/exe: errno \(errno)")
        }
        defer { free(path) }
        return String(cString: path)
    }

    private static func socket(_ isDatagram: Bool, _ port: UInt16) throws -> Int32 {
        let type = isDatagram ? SOCK_DGRAM : SOCK_STREAM
        let number = try bench("socket", Glibc.socket(AF_INET, Int32(type.rawValue | SOCK_CLOEXEC.rawValue), 0))
        var (on, room): (Int32, Int32) = (1, receiveBuffer)
        let size = socklen_t(MemoryLayout<Int32>.size)
        setsockopt(number, SOL_SOCKET, SO_REUSEPORT, &on, size)
        if isDatagram { setsockopt(number, SOL_SOCKET, receiveBufferForce, &room, size) }
        guard Loopback.withName(0, port, { bind(number, $0, $1) }) == 0, isDatagram || listen(number, 1_024) == 0 else {
            throw BenchmarkError(description: "bind to port \(port): errno \(errno)")
        }
        return number
    }
}
