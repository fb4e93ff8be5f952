import Glibc

/// A program that a sandbox's thread started inside the sandbox. It ends with the sandbox at the latest.
public final class ChildProcess {
    /// Its pid inside the sandbox.
    public let pid: Int32
    /// Its pid in the namespace of this process.
    public let outerPid: Int32
    private let outputPath: String
    private let errorPath: String
    private var exitStatus: Int32?
    private unowned let sandbox: Sandbox

    /// - Parameters:
    ///   - arguments: the program, sought in PATH, and its arguments.
    ///   - environment: added to that of this process.
    ///   - descriptors: inherited: number there = descriptor here.
    ///   - user: run as this user and group without privileges; nil: as we are.
    public init(
        _ arguments: [String], in sandbox: Sandbox, environment: [String: String] = [:],
        descriptors: [Int32: Int32] = [:], user: UInt32? = nil
    ) throws {
        self.sandbox = sandbox
        var arguments = arguments
        if let user {
            arguments =
                ["setpriv", "--reuid", "\(user)", "--regid", "\(user)", "--clear-groups", "--inh-caps=-all"] + arguments
        }
        outputPath = sandbox.newPath("out")
        errorPath = sandbox.newPath("err")
        outerPid = try Self.spawn(arguments, environment, descriptors, output: outputPath, error: errorPath)
        sandbox.unreaped.insert(outerPid)
        guard let inner = sandbox.innerPid(of: outerPid) else { throw LabError("\(arguments[0]) was gone at once") }
        pid = inner
    }

    public var output: String { FileText.read(outputPath) ?? "" }
    public var errorOutput: String { FileText.read(errorPath) ?? "" }

    /// The exit code, or minus the signal that ended it; nil while it runs.
    public var exitCode: Int32? {
        if exitStatus == nil {
            var status: Int32 = 0
            if waitpid(outerPid, &status, WNOHANG) == outerPid {
                exitStatus = status
                sandbox.unreaped.remove(outerPid)
            }
        }
        return exitStatus.map { $0 & 0x7f == 0 ? $0 >> 8 & 0xff : -($0 & 0x7f) }
    }

    public func send(_ signal: Int32) { if exitCode == nil { kill(outerPid, signal) } }

    /// - Throws: an error if it still runs after that time.
    @discardableResult
    public func wait(_ limit: Duration = .seconds(60)) throws -> Int32 {
        guard waitUntil(limit, every: .milliseconds(2), { exitCode != nil }) else {
            throw LabError("pid \(pid) still runs after \(limit); it said: \(errorOutput)")
        }
        return exitCode!
    }

    /// It runs and waits in poll(2) or ppoll(2): it has done what it was asked for. A process that
    /// is traced and stopped, or that dies, is not at rest.
    public var isAtRest: Bool {
        func waits() -> Bool {
            guard exitCode == nil, state == "S", let number = systemCall else { return false }
            #if arch(x86_64)
                return number == 7 || number == 271
            #else
                return number == 73
            #endif
        }
        guard waits() else { return false }
        usleep(5_000)
        return waits()
    }

    /// The letter of its main thread's state (proc(5)): R, S, t; nil: it is gone.
    public var state: Character? {
        guard let stat = FileText.read("/proc/\(pid)/stat"), let end = stat.lastIndex(of: ")") else { return nil }
        return stat[end...].dropFirst(2).first
    }

    /// The number of the system call in which its main thread waits (proc(5)); nil: in none.
    public var systemCall: Int? {
        (FileText.read("/proc/\(pid)/syscall") ?? "").split(separator: " ").first.flatMap { Int($0) }
    }

    private static func spawn(
        _ arguments: [String], _ environment: [String: String], _ descriptors: [Int32: Int32],
        output: String, error: String
    ) throws -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let flags = O_WRONLY | O_CREAT | O_APPEND
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output, flags, 0o644)
        posix_spawn_file_actions_addopen(&actions, 2, error, flags, 0o644)
        // From numbers out of the way, so that no dup2 overwrites the source of a later one.
        let sources = descriptors.mapValues { fcntl($0, F_DUPFD_CLOEXEC, 500) }
        defer { sources.values.forEach { close($0) } }
        for (number, source) in sources { posix_spawn_file_actions_adddup2(&actions, source, number) }
        var variables: [String: String] = [:]
        var entry = environ
        while let pointer = entry.pointee {
            let parts = String(cString: pointer).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { variables[String(parts[0])] = String(parts[1]) }
            entry += 1
        }
        variables.merge(environment) { $1 }
        let argv = arguments.map { strdup($0) } + [nil]
        let envp = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { (argv + envp).forEach { free($0) } }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // Threads of libdispatch block nearly all signals, and children inherit that.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var pid: pid_t = 0
        let result = ForkGate.pass { posix_spawnp(&pid, arguments[0], &actions, &attributes, argv, envp) }
        guard result == 0 else { throw LabError("cannot start \(arguments[0]): errno \(result)") }
        return pid
    }
}
