import CBPFShim
import Glibc
import PoolModel
import SockArrayCore

/// A command that reads a batch from its standard input, and reports success by exit code 0.
final class ChildDelivery {
    private let pid: Int32
    /// The process group, which the command leads.
    var group: Int32 { pid }
    private let process: Descriptor
    private let output: Descriptor
    /// The first 2,048 bytes of the command's output.
    private var said: [UInt8] = []
    /// When the command's process group is killed: CLOCK_MONOTONIC in nanoseconds.
    private(set) var deadline: UInt64
    private var isKilled = false
    private var isReaped = false

    private let limit: Duration
    /// The command's limit of open files: select(2) can't handle more.
    private static let openFiles: UInt32 = 1_024

    /// - Throws: the errno of the failed system call; ENOENT if there is no such program.
    init(
        _ arguments: [String], input: [UInt8], now: UInt64, limit: Duration = .seconds(60)
    ) throws(KernelError) {
        let file = rpa_memory_file(input, input.count)
        guard file >= 0 else { throw KernelError(operation: "memfd_create", errno: -file) }
        let inputFile = Descriptor(owning: file)
        var writer: Int32 = -1
        let reader = rpa_output_pipe(&writer)
        guard reader >= 0 else { throw KernelError(operation: "pipe2", errno: -reader) }
        output = Descriptor(owning: reader)
        let otherEnd = Descriptor(owning: writer)
        let argv = arguments.map { strdup($0) } + [nil]
        defer { argv.forEach { free($0) } }
        let started = rpa_start_child(argv, inputFile.number, otherEnd.number, Self.openFiles)
        guard started > 0 else { throw KernelError(operation: "execve \(arguments[0])", errno: -started) }
        let pidfd = rpa_pidfd_open(started)
        guard pidfd >= 0 else {
            kill(-started, SIGKILL)
            waitpid(started, nil, 0)
            throw KernelError(operation: "pidfd_open", errno: -pidfd)
        }
        pid = started
        process = Descriptor(owning: pidfd)
        self.limit = limit
        deadline = now + UInt64(limit / .nanoseconds(1))
    }

    deinit {
        guard !isReaped else { return }
        kill(-pid, SIGKILL)
        waitpid(pid, nil, 0)
    }

    /// The end of the process and its output, which must be read because a full pipe blocks the command.
    var waits: [pollfd] {
        [
            pollfd(fd: process.number, events: Int16(POLLIN), revents: 0),
            pollfd(fd: isClosed ? -1 : output.number, events: Int16(POLLIN), revents: 0),
        ]
    }

    private var isClosed = false

    /// The wait status and the start of the output; nil while the command runs.
    func proceed(now: UInt64) -> (status: Int32, text: String)? {
        listen()
        if now >= deadline, !isKilled {
            isKilled = true
            deadline = .max
            kill(-pid, SIGKILL)
        }
        var status: Int32 = 0
        guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
        isReaped = true
        listen()
        let text = String(decoding: said, as: UTF8.self)
        return (status, isKilled ? "it was ended after \(limit)" : text)
    }

    private func listen() {
        var bytes = [UInt8](repeating: 0, count: 4_096)
        // A bound, for a command that never stops writing.
        for _ in 0..<64 where !isClosed {
            let length = read(output.number, &bytes, bytes.count)
            if length == 0 { isClosed = true }
            guard length > 0 else { return }
            said += bytes[..<min(length, max(0, 2_048 - said.count))]
        }
    }
}
