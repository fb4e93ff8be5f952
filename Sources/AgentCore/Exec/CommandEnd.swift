import PoolModel

/// What `exec` knows of its command when the command's first process has ended.
struct CommandEnd {
    /// A process that the command started, and that runs although its parent has ended.
    struct LeftProcess: Equatable {
        var pid: Int32
        var name: String
    }

    /// wait(2) has its format.
    var status: Int32
    /// A signal asked the command to end.
    var wasAskedToEnd: Bool
    /// The first process itself was registered, or a descendant that has ended, too.
    var wasCollector: Bool
    var left: [LeftProcess]

    /// The command is a daemon: its first process ended successfully by itself, and another one continues.
    /// A collector that ends may leave children for a moment; it had its own sockets, or was asked to end.
    var wentToBackground: Bool { status == 0 && !wasAskedToEnd && !wasCollector && !left.isEmpty }

    private var names: String {
        (left.count == 1 ? "process " : "processes ") + left.map { "\($0.pid) (\($0.name))" }.joined(separator: ", ")
    }

    /// For a command that failed before it was registered: whose sockets may have kept it from binding.
    ///
    /// - Parameters:
    ///   - sockets: those of other users in the pool's groups.
    ///   - user: that started the command.
    /// - Returns: nil if there is no such socket.
    static func line(about sockets: [(group: ReuseportGroup, user: UInt32)], user: UInt32) -> ExecLine? {
        guard let other = sockets.first?.user else { return nil }
        let places = sockets.filter { $0.user == other }.map(\.group.endpoint).joined(separator: ", ")
        return ExecLine(
            level: .error,
            text: "the command ended before it was registered; if the kernel refused its bind (EADDRINUSE), the cause "
                + "may be sockets of user \(other) at \(places), such as the agent's own, because only sockets of one user "
                + "can share a port: run the command as user \(other); or, to run all collectors as user \(user), set "
                + "collector_user: \(user) in the agent's configuration")
    }

    /// For a command that is terminated, because `--wait` was given.
    var terminationLine: ExecLine {
        ExecLine(
            level: .error,
            text: "the command is terminated: it went to the background, and left \(names), which exec can't supervise")
    }

    /// - Parameters:
    ///   - program: of the command.
    ///   - fate: what happens to the processes that are left.
    func failure(of program: String, _ fate: Fate) -> Failure {
        let (what, first) =
            switch fate {
            case .terminated: ("terminated", "")
            case .unending: ("still there after SIGTERM and SIGKILL", "end what is left; ")
            case .unsupervised: ("still running without supervision", "end what is left; ")
            }
        return Failure(
            .unfitSocket, act: "supervise \(program)",
            cause: "it went to the background: its first process ended with exit code 0 and left \(names), "
                + (left.count == 1 ? "which is " : "which are ") + what,
            remedy: first + "start it in the foreground, without -D or a similar option (pmacct: daemonize: false)")
    }

    enum Fate {
        case terminated
        case unending
        case unsupervised
    }
}

/// Decides how processes are ended: each gets SIGTERM, and SIGKILL if it still runs after 10 s.
struct ProcessEnding {
    private var terminated: Set<Int32> = []
    private let killTime: ContinuousClock.Instant
    static let grace: Duration = .seconds(10)
    private static let killPause: Duration = .milliseconds(100)

    init(start: ContinuousClock.Instant) { killTime = start + Self.grace }

    enum Step: Equatable {
        case ended
        /// Signals to send now, and when to look again at the latest.
        case signal([Int32], kills: Bool, next: ContinuousClock.Instant)
        /// Processes remain although they were killed: of another user, or in a system call that doesn't end.
        case failed
    }

    /// - Parameter processes: those that still run, and those that were their children.
    mutating func step(_ processes: [Int32], at now: ContinuousClock.Instant) -> Step {
        if processes.isEmpty { return .ended }
        guard now >= killTime else {
            let new = processes.filter { terminated.insert($0).inserted }
            return .signal(new, kills: false, next: killTime)
        }
        guard now < killTime + Self.grace else { return .failed }
        // Each kill may bring its children.
        return .signal(processes, kills: true, next: now + Self.killPause)
    }
}
