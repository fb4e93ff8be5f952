import AgentCore
import ArgumentParser
import CBPFShim
import Glibc
import PoolModel
import SockArrayCore

/// The options that select a collector's sockets, and the registration of those sockets.
struct SocketSource: ParsableArguments {
    @Option(
        name: .customLong("fd"),
        help: ArgumentHelp("Inherited descriptor of a socket; repeat the option for each socket.", valueName: "n"))
    var descriptors: [Int32] = []

    @Option(help: "Process whose sockets in the pool's groups to register.")
    var pid: Int32?

    @Option(help: ArgumentHelp("File that contains the pid of that process.", valueName: "file"))
    var pidFile: String?

    @Flag(
        help: """
            Use the sockets that systemd passed (LISTEN_FDS): those that LISTEN_FDNAMES names like a group, \
            or all if none has such a name.
            """
    )
    var listenFds = false

    @Option(
        help: ArgumentHelp(
            """
            With --pid or --pid-file: maximum time to wait until the process exists and every group is \
            bound, 0 to 86400.
            """,
            valueName: "seconds"))
    var wait: Double?

    @Option(
        help: ArgumentHelp(
            """
            With --fd or --listen-fds: process that reads the sockets, if this command is not one of its \
            children. The agent watches it.
            """,
            valueName: "pid"))
    var owner: Int32?

    func validate() throws {
        let ways = [!descriptors.isEmpty, pid != nil, pidFile != nil, listenFds].count { $0 }
        guard ways == 1 else {
            throw ValidationError("specify the sockets with exactly one of --fd, --pid, --pid-file or --listen-fds")
        }
        if let wait {
            guard pid != nil || pidFile != nil else {
                throw ValidationError("--wait requires --pid or --pid-file: passed sockets are already bound")
            }
            guard wait >= 0, wait <= 86_400 else { throw ValidationError("--wait takes 0 to 86400 seconds") }
        }
        if let pid, pid <= 0 { throw ValidationError("--pid takes a positive number") }
        if let owner {
            guard !descriptors.isEmpty || listenFds else {
                throw ValidationError("--owner requires --fd or --listen-fds: --pid names the owner itself")
            }
            guard owner > 0 else { throw ValidationError("--owner takes a positive number") }
        }
    }

    func register(_ collector: String, _ manner: RegistrationManner?, with client: ControlClient) throws
        -> RegistrationChange
    {
        let registration = Registration(collector: collector, manner: manner, client: client)
        if pid != nil || pidFile != nil { return try registration.process(pid: pid, pidFile: pidFile, wait: wait) }
        return try registration.descriptors(
            listenFds ? try registration.listenDescriptors() : descriptors, owner: owner)
    }
}

/// Asks the agent to register one collector.
private struct Registration {
    let collector: String
    let manner: RegistrationManner?
    let client: ControlClient

    private var act: String { "register \(collector)" }

    func listenDescriptors() throws(Failure) -> [Int32] {
        // Fail before the request to the agent if the service manager passed no descriptors.
        _ = try ListenDescriptors.fromEnvironment(groups: [], act: act)
        let status = try client.ask(.status, act: act, for: \.status)
        return try ListenDescriptors.fromEnvironment(groups: status.groups.map(\.name), act: act)
    }

    func descriptors(_ numbers: [Int32], owner: Int32?) throws(Failure) -> RegistrationChange {
        for number in numbers where fcntl(number, F_GETFD) == -1 {
            throw Failure(
                .unfitSocket, act: act, cause: "fd \(number) is not open", errno: EBADF,
                remedy: "let this command inherit it from the collector (no FD_CLOEXEC), and give its number")
        }
        guard numbers.count <= Int(RPA_MAX_PASSED) else {
            throw Failure(
                .usage, act: act, cause: "\(numbers.count) descriptors are more than \(RPA_MAX_PASSED)",
                remedy: "give one for each group of the pool")
        }
        let labels = numbers.map { "fd \($0)" }
        guard let owner else {
            return try client.ask(
                .register(collector: collector, labels: labels, manner: manner), descriptors: numbers, act: act,
                for: \.changed)
        }
        let process: OtherProcess
        do { process = try OtherProcess(pid: owner) } catch {
            throw Failure(
                error.errno == KernelError.noProcess ? .unfitSocket : .privilege, act: act,
                cause: error.errno == KernelError.noProcess
                    ? "there is no process \(owner)" : "\(error.operation) was refused", errno: error.errno,
                remedy: "give --owner the pid of the process that reads the sockets")
        }
        return try client.ask(
            .register(collector: collector, labels: labels, hasOwner: true, manner: manner),
            descriptors: numbers + [process.number], act: act, for: \.changed)
    }

    /// Repeats the request until every group is bound: nfacctd writes its pid file and
    /// binds its UDP port about 5 s after it binds BMP.
    func process(pid: Int32?, pidFile: String?, wait: Double?) throws -> RegistrationChange {
        let deadline = ContinuousClock.now + .seconds(wait ?? 0)
        while true {
            var failure: Failure
            switch try ask(pid, pidFile) {
            case .changed(let change): return change
            case .incomplete(let missing): failure = missing
            // The process ended after the pid file was read.
            case .failure(let gone) where pidFile != nil && gone.errno == ESRCH: failure = gone
            case let other: throw other.unexpected(act: act)
            }
            if ContinuousClock.now >= deadline {
                if let wait {
                    failure.cause += ", after \(wait) s"
                    failure.remedy =
                        "check whether that is the collector's process, and whether it binds the groups' ports and addresses"
                }
                throw failure
            }
            usleep(50_000)
        }
    }

    private func ask(_ pid: Int32?, _ pidFile: String?) throws -> ControlReply {
        var pid = pid
        if let pidFile {
            do { pid = try PidFile(path: pidFile).livePid() } catch { return answer(to: error, of: pidFile) }
        }
        return try client.send(.registerProcess(collector: collector, pid: pid!, manner: manner), act: act)
    }

    /// While the file is missing, empty or stale, the collector is incomplete.
    private func answer(to problem: PidFile.Problem, of path: String) -> ControlReply {
        func later(_ cause: String, _ number: Int32? = nil) -> ControlReply {
            .incomplete(
                Failure(
                    .unfitSocket, act: act, cause: "\(path) \(cause)", errno: number,
                    remedy: "wait until the collector has written its pid there: --wait 30"))
        }
        switch problem {
        case .absent: return later("is not there", ENOENT)
        case .holdsNoPid: return later("holds no pid in its first line")
        case .stale(let pid): return later("is stale: process \(pid) is gone", KernelError.noProcess)
        case .unreadable(let number):
            return .failure(
                Failure(
                    number == EISDIR ? .usage : .privilege, act: act, cause: "\(path) can't be read", errno: number,
                    remedy: "give the collector's pid file, as a user who may read it, or its pid with --pid"))
        }
    }
}
