import CBPFShim
import Glibc
import SockArrayCore

/// A command that takes a batch at its standard input, and tells by its exit code
/// whether it has it.
final class ChildDelivery {
    private let pid: Int32
    /// It leads a process group of its own.
    var group: Int32 { pid }
    private let process: Descriptor
    private let output: Descriptor
    /// The first of what it said.
    private var said: [UInt8] = []
    /// CLOCK_MONOTONIC in nanoseconds; then it is killed, with all that it started.
    private(set) var deadline: UInt64
    private var isKilled = false
    private var isReaped = false

    private let limit: Duration
    /// select(2) knows no more.
    private static let openFiles: UInt32 = 1_024

    /// - Throws: with errno, also where there is no such program.
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

    /// Its output is read, lest it waits for a reader.
    var waits: [pollfd] {
        [
            pollfd(fd: process.number, events: Int16(POLLIN), revents: 0),
            pollfd(fd: isClosed ? -1 : output.number, events: Int16(POLLIN), revents: 0),
        ]
    }

    private var isClosed = false

    /// Wait status, and the first of what it said; nil while it runs.
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
        // A bound, for a child that says more and more.
        for _ in 0..<64 where !isClosed {
            let length = read(output.number, &bytes, bytes.count)
            if length == 0 { isClosed = true }
            guard length > 0 else { return }
            said += bytes[..<min(length, max(0, 2_048 - said.count))]
        }
    }
}
