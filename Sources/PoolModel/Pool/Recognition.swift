/// How a collector's process is known from all others when nobody registers it.
public enum Recognition: Hashable, Sendable {
    /// It runs in that unit of systemd.
    case unit(UnitName)
    /// It has written its pid there. Absolute path.
    case pidFile(String)
    /// Its command line is that one; of that user alone, if there is one.
    case command(CommandPattern, user: UInt32?)
    /// It runs as that user: for a user that runs one collector and nothing else
    /// that has the groups' sockets.
    case user(UInt32)

    /// Whether the description is of the collector's process, or of a worker of it.
    /// A pid file says so by its content: it matches none.
    public func matches(_ process: ProcessDescription) -> Bool {
        switch self {
        case .unit(let unit): process.cgroups.contains(where: unit.isComponent)
        case .pidFile: false
        case .command(let pattern, let user):
            (user.map { $0 == process.user } ?? true) && pattern.matches(process.line)
        case .user(let user): user == process.user
        }
    }

    /// The process first that is an ancestor of the others: workers and plugins
    /// inherit the collector's unit, its user, and often its command line. Ends in
    /// the order of pids.
    ///
    /// - Parameter parent: the parent's pid; nil where there is none any more.
    public static func ancestorsFirst(_ pids: Set<Int32>, parent: (Int32) -> Int32?) -> [Int32] {
        var ancestors: [Int32: Int] = [:]
        var descendants: [Int32: Int] = [:]
        for pid in pids {
            var seen: Set<Int32> = [pid]
            var next = parent(pid)
            // Read one by one while processes come and go, pids may form a circle.
            while let above = next, above > 0, seen.insert(above).inserted {
                if pids.contains(above) {
                    ancestors[pid, default: 0] += 1
                    descendants[above, default: 0] += 1
                }
                next = parent(above)
            }
        }
        return pids.sorted { first, second in
            let (left, right) = (ancestors[first] ?? 0, ancestors[second] ?? 0)
            if left != right { return left < right }
            let (below, otherBelow) = (descendants[first] ?? 0, descendants[second] ?? 0)
            return below == otherBelow ? first < second : below > otherBelow
        }
    }
}

extension Recognition: CustomStringConvertible {
    /// As the configuration has it: `unit nfacctd@c1.service`.
    public var description: String {
        switch self {
        case .unit(let unit): "unit \(unit.name)"
        case .pidFile(let path): "pid_file \(path)"
        case .command(let pattern, let user): "command \(pattern.text)" + (user.map { " of user \($0)" } ?? "")
        case .user(let user): "user \(user)"
        }
    }
}

/// The properties of a process that /proc shows.
public struct ProcessDescription: Equatable, Sendable {
    public let pid: Int32
    /// Effective user.
    public let user: UInt32
    /// Its arguments as they are now, which a process may write over; empty for
    /// a kernel thread and a process that has ended.
    public let commandLine: [String]
    /// Its place in each hierarchy of control groups: `/system.slice/nfacctd.service`.
    public let cgroups: [String]
    /// The arguments, joined once for however many patterns.
    package let line: [Unicode.Scalar]

    public init(pid: Int32, user: UInt32, commandLine: [String] = [], cgroups: [String] = []) {
        self.pid = pid
        self.user = user
        self.commandLine = commandLine
        self.cgroups = cgroups
        line = Array(commandLine.joined(separator: " ").unicodeScalars)
    }
}
