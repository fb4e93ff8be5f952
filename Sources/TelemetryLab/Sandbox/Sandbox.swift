import CLabShim
import Glibc
import PoolModel
import SockArrayCore

/// Private namespaces for one test or benchmark. They disappear with everything in them when it ends,
/// however it ends (lab_sandbox.h).
///
/// Code that runs inside sees a private loopback to which every address is
/// local, a private /run, and an empty bpffs at /sys/fs/bpf.
public final class Sandbox {
    /// A folder for files in the private tmpfs.
    public let folder = "/run/lab"
    private let firstPid: Int32
    private var home = lab_namespaces()
    /// The /proc of the PID namespace outside.
    private let outerProc: Descriptor
    private var fileCount = 0
    /// Children of this process in the sandbox that were not reaped yet.
    var unreaped: Set<Int32> = []

    /// Runs the body on a thread of its own inside a new sandbox. The body's task
    /// stays the caller's, so that a test's expectations are counted as its own.
    ///
    /// - Parameter kind: what it may run beside.
    /// - Throws: an error of the body; `Failure` with `.privilege` if the namespaces can't be created.
    public static func run<Result: Sendable>(
        _ kind: SandboxKind = .alone, _ body: @escaping @Sendable (Sandbox) throws -> Result
    ) async throws -> Result {
        await SandboxTurn.shared.take(kind)
        do {
            let result = try await onOwnThread(body)
            await SandboxTurn.shared.give()
            return result
        } catch {
            await SandboxTurn.shared.give()
            throw error
        }
    }

    private static func onOwnThread<Result: Sendable>(
        _ body: @escaping @Sendable (Sandbox) throws -> Result
    ) async throws -> Result {
        let thread = OwnThread()
        defer { thread.finish() }
        return try await withTaskExecutorPreference(thread) { try await onThread { try runHere(body) } }
    }

    /// Nonisolated and async: it runs where the task prefers to.
    private nonisolated static func onThread<Result: Sendable>(
        _ body: @Sendable () throws -> Result
    ) async throws -> Result { try body() }

    /// Runs the body on the calling thread. The body must not wait for other
    /// tasks or queues: these start threads (see lab_sandbox.h).
    public static func runHere<Result>(_ body: (Sandbox) throws -> Result) throws -> Result {
        let sandbox = try Sandbox()
        defer { sandbox.end() }
        return try body(sandbox)
    }

    /// The sandbox of a process that is the first process of its namespaces.
    public init(asFirstProcess: Void) throws {
        firstPid = 0
        outerProc = Descriptor(owning: open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC))
        makeFolder()
    }

    private func makeFolder() {
        mkdir(folder, 0o777)
        chmod(folder, 0o777)
    }

    private init() throws {
        func refused(_ step: String, _ result: Int32) -> Failure {
            Failure(
                .privilege, act: "make a sandbox of namespaces", cause: "\(step) was refused", errno: -result,
                remedy: "run it as root (CAP_SYS_ADMIN and CAP_NET_ADMIN)")
        }
        let proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard proc >= 0 else { throw refused("open /proc", -errno) }
        outerProc = Descriptor(owning: proc)
        var step: UnsafePointer<CChar>?
        firstPid = ForkGate.pass { lab_sandbox_start(nil, &step) }
        guard firstPid > 0 else { throw refused(step.map { String(cString: $0) } ?? "clone", firstPid) }
        let entered = lab_sandbox_enter(firstPid, &home)
        guard entered >= 0 else {
            kill(firstPid, SIGKILL)
            waitpid(firstPid, nil, 0)
            throw refused("setns", entered)
        }
        makeFolder()
        SandboxCapabilities.drop()
    }

    /// The kernel kills all processes of the PID namespace with its first, which
    /// stays until those that are our children are reaped.
    private func end() {
        SandboxCapabilities.raise()
        let left = lab_sandbox_leave(&home)
        precondition(left == 0, "a thread can't leave its sandbox: errno \(-left)")
        kill(firstPid, SIGKILL)
        for pid in unreaped { waitpid(pid, nil, 0) }
        waitpid(firstPid, nil, 0)
    }

    /// Runs the body as another user, without capabilities; sockets made there are that user's.
    public func asUser<Result>(_ user: UInt32, _ body: () throws -> Result) throws -> Result {
        SandboxCapabilities.raise()
        let result = lab_sandbox_user(user)
        guard result == 0 else { throw LabError("setresuid \(user): errno \(-result)") }
        defer {
            precondition(lab_sandbox_user(0) == 0, "a thread can't be root again")
            SandboxCapabilities.drop()
        }
        return try body()
    }

    /// A path in `folder` that was not given before.
    public func newPath(_ name: String) -> String {
        fileCount += 1
        return "\(folder)/\(fileCount)-\(name)"
    }

    /// The pid, inside the sandbox, of a process that this thread started.
    func innerPid(of pid: Int32) -> Int32? {
        let file = openat(outerProc.number, "\(pid)/status", O_RDONLY | O_CLOEXEC)
        guard file >= 0, let text = FileText.read(Descriptor(owning: file)) else { return nil }
        let line = text.split(separator: "\n").first { $0.hasPrefix("NSpid:") }
        return line?.split(separator: "\t").last.flatMap { Int32($0) }
    }
}

/// A failure of the laboratory.
public struct LabError: Error, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}

/// Polls until the condition holds, for at least 30 s, so that a busy machine doesn't decide the result. A
/// long limit costs nothing if the condition becomes true.
///
/// - Returns: false if it didn't within the time.
@discardableResult
public func waitUntil(_ limit: Duration, every pause: Duration = .milliseconds(20), _ condition: () throws -> Bool)
    rethrows -> Bool
{
    try waitBriefly(max(limit, .seconds(30)), every: pause, condition)
}

/// Polls until the condition holds, for no longer than the limit. For conditions that may stay false.
///
/// - Returns: false if it didn't within the time.
@discardableResult
public func waitBriefly(_ limit: Duration, every pause: Duration = .milliseconds(20), _ condition: () throws -> Bool)
    rethrows -> Bool
{
    let end = ContinuousClock.now + limit * SlowMachine.timeoutFactor
    while true {
        if try condition() { return true }
        if ContinuousClock.now >= end { return false }
        usleep(UInt32(pause / .microseconds(1)))
    }
}
