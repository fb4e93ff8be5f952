import CBPFShim
import Glibc
import TelemetryLab

/// The collectors' processes, each with its socket.
final class Collectors {
    private(set) var processes: [ChildProcess] = []
    private(set) var ledgers: [Ledger] = []
    /// The benchmark's own copies, until the balancer has registered the sockets.
    private(set) var sockets: [InternetSocket] = []

    /// The receive buffer of each collector, 16 MiB for all subjects.
    private static let receiveBuffer: Int32 = 16 << 20
    /// SO_RCVBUFFORCE, which only the kernel's headers define.
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
                    in: sandbox, descriptors: [CollectorCommand.socket: socket.number]))
            sockets.append(socket)
        }
    }

    func closeOurs() { sockets = [] }

    /// The program's path; in the sandbox's PID namespace it is the first process.
    private static func ownProgram() throws -> String {
        guard let path = realpath("/proc/self/exe", nil) else {
            throw BenchmarkError(description: "/proc/self/exe: errno \(errno)")
        }
        defer { free(path) }
        return String(cString: path)
    }

    private static func socket(_ isDatagram: Bool, _ port: UInt16) throws -> InternetSocket {
        let socket = try InternetSocket(isDatagram ? .udp : .tcp, bind: .v4(0), port: port, reuseport: true)
        if isDatagram {
            try socket.set(SOL_SOCKET, receiveBufferForce, receiveBuffer)
        } else {
            try socket.listen(backlog: 1_024)
        }
        return socket
    }
}
