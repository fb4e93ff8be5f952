import CBPFShim
import Glibc
import PoolModel
import SockArrayCore

/// The command of `exec`: a child process that receives this process's signals. When the command ends,
/// `exec` ends in the same way.
package final class LaunchedCommand {
    package let pid: Int32
    /// Becomes readable with every signal.
    let signals: Descriptor
    /// The command's wait status (wait(2)); nil while it runs.
    private(set) var end: Int32?
    /// A signal asked the command to end.
    private(set) var wasAskedToEnd = false
    private var hasNewEndRequest = false
    /// Children that this process had before it started the command: those of a program that it replaced.
    private var priorChildren = Set(ProcessFacts.children(of: getpid()))
    private let leadsSession = getsid(0) == getpid()
    private static let endSignals = [SIGTERM, SIGINT, SIGQUIT]

    /// - Throws: `Refusal` with 127 if there is no such program, 126 if it can't be
    ///   executed; `Failure` if no process could be started.
    package init(_ arguments: [String]) throws {
        let act = "run \(arguments[0])"
        var inherited = rpa_inherited_signals()
        signals = try Self.takeSignals(&inherited, act: act)
        // To see, and to reap, what a command leaves that goes to the background. As the first process of a
        // PID namespace, exec is the parent of all orphans anyway. If a filter refuses the call, a command that
        // goes to the background isn't noticed.
        _ = rpa_adopt_orphans()
        let argv = arguments.map { strdup($0) } + [nil]
        defer { argv.forEach { free($0) } }
        var wasRefused: Int32 = 0
        let environment = EnvironmentBlock(
            environ, changedBy: CommandEnvironment(pid: getpid()) { name in getenv(name).map { String(cString: $0) } })
        var entries = environment.entries
        let result = rpa_launch(argv, &entries, environment.pidTexts, &inherited, &wasRefused)
        guard result < 0 else {
            pid = result
            Self.closeInherited()
            return
        }
        guard wasRefused != 0 else { throw Self.failureToStart(errno: -result, act: act) }
        throw Refusal(
            failure: Self.refusal(arguments[0], -result, act: act), exitCode: -result == ENOENT ? 127 : 126)
    }

    /// Closes what the command has inherited through this process: a copy here would keep the socket of a
    /// collector that has ended in its slot.
    private static func closeInherited() {
        for number in Directory.names(in: "/proc/self/fd").compactMap({ Int32($0) }) where number > STDERR_FILENO {
            _ = rpa_close_inherited(number)
        }
    }

    /// New descriptor that becomes readable with every signal.
    ///
    /// - Parameter inherited: receives the signals that this process blocked and ignored before.
    static func takeSignals(_ inherited: inout rpa_inherited_signals, act: String) throws(Failure) -> Descriptor {
        let result = rpa_take_signals(&inherited)
        if result >= 0 { return Descriptor(owning: result) }
        throw Failure.openFiles(act: act, errno: -result)
            ?? Failure(
                .privilege, act: act, cause: "the signal descriptor could not be created", errno: -result,
                remedy: "check the user's limits: ulimit -a")
    }

    /// No child process could be started.
    static func failureToStart(errno: Int32, act: String) -> Failure {
        Failure.openFiles(act: act, errno: errno)
            ?? Failure(
                .privilege, act: act, cause: "no process could be started", errno: errno,
                remedy: "check the limits of processes and memory (ulimit -u, TasksMax= of the unit)")
    }

    /// The command could not be executed.
    package struct Refusal: Error {
        package let failure: Failure
        /// The exit code that shells and env(1) use.
        package let exitCode: Int32
    }

    private static func refusal(_ program: String, _ number: Int32, act: String) -> Failure {
        let (cause, remedy) =
            switch number {
            case ENOENT where !program.contains("/"):
                ("it is in no folder of PATH", "give its full path, or correct PATH")
            case ENOENT where access(program, F_OK) == 0:
                ("the interpreter in its first line doesn't exist", "correct that line, or install the interpreter")
            case ENOENT: ("there is no such file", "give the path of a program")
            case EACCES: ("it may not be executed", "give the path of a program, as a user who may execute it")
            case ENOEXEC: ("it is not a program for this machine", "give the path of a program")
            default: ("it could not be executed", "check the file, and the length of the arguments")
            }
        return Failure(.usage, act: act, cause: cause, errno: number, remedy: remedy)
    }

    package func send(_ signal: Int32) { if end == nil { kill(pid, signal) } }

    /// Whether a signal has asked the command to end since the last call.
    func takeEndRequest() -> Bool {
        defer { hasNewEndRequest = false }
        return hasNewEndRequest
    }

    /// Living processes that lost their parents while the command ran, or with its end: this process's children,
    /// which it alone can reap.
    func leftProcesses() -> [CommandEnd.LeftProcess] {
        ProcessFacts.children(of: getpid()).compactMap { child in
            guard child != pid, !priorChildren.contains(child), ProcessFacts.startTime(of: child) != nil else {
                return nil
            }
            return .init(pid: child, name: ProcessFacts.name(of: child) ?? "?")
        }
    }

    /// Forwards every pending signal, and reaps every child that has ended, orphans too.
    func proceed() {
        var signal = rpa_signal()
        while rpa_next_signal(signals.number, &signal) > 0 {
            let forwarding = SignalForwarding(
                leadsSession: leadsSession, sharesGroup: getpgid(pid) == getpgrp(), command: pid)
            let isFromKernel = signal.from_kernel != 0
            if Self.endSignals.contains(signal.number) { (wasAskedToEnd, hasNewEndRequest) = (true, true) }
            if forwarding.forwards(signal.number, fromKernel: isFromKernel, sender: signal.sender) {
                send(signal.number)
            }
            if forwarding.stopsItself(signal.number, fromKernel: isFromKernel) { rpa_raise(signal.number) }
        }
        var status: Int32 = 0
        while true {
            let reaped = waitpid(-1, &status, WNOHANG)
            guard reaped > 0 else { return }
            if reaped == pid { end = status } else { priorChildren.remove(reaped) }
        }
    }

    /// Ends this process as the command ended: by its exit code or its signal, or with exit code
    /// 128 + signal if the signal doesn't end this process (PID 1).
    package static func endLike(_ status: Int32) -> Never {
        let signal = status & 0x7f
        if signal == 0 { exit(status >> 8 & 0xff) }
        rpa_die_by(signal)
        exit(128 + signal)
    }
}
