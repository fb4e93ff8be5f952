/// Why something could not be done: the act and its object, the cause (with its errno,
/// if there is one), and the next step.
///
///     cannot register c3: fd 5 (udp 0.0.0.0:4739) was bound without SO_REUSEPORT
///     (EINVAL); set SO_REUSEPORT before bind
public struct Failure: Error, Equatable, Sendable, Codable {
    /// The exit codes of the commands.
    public enum Kind: Int32, Sendable, Codable {
        /// The act succeeded, but its results could not be written.
        case output = 1
        /// Wrong usage, or a configuration that can't be used.
        case usage = 2
        /// The agent doesn't run, or the pool doesn't exist.
        case absent = 3
        /// A socket that can't be a member of its group's sockarray.
        case unfitSocket = 4
        /// The request contradicts the pool's state: a slot that another live socket
        /// has, an unknown collector, a second agent.
        case conflict = 5
        /// The kernel refuses the agent: a capability, a filter, a limit, a program that does not load.
        case privilege = 6
    }

    public var kind: Kind
    /// The act with its object: `register c3`.
    public var act: String
    public var cause: String
    /// Positive errno of the refused system call; nil: none was.
    public var errno: Int32?
    /// The next step.
    public var remedy: String

    public init(_ kind: Kind, act: String, cause: String, errno: Int32? = nil, remedy: String) {
        self.kind = kind
        self.act = act
        self.cause = cause
        self.errno = errno
        self.remedy = remedy
    }

    public var exitCode: Int32 { kind.rawValue }

    /// EMFILE or ENFILE, which mean the same whatever was called; nil for another errno.
    public static func openFiles(act: String, errno: Int32) -> Failure? {
        switch errno {
        case 24:
            Failure(
                .privilege, act: act, cause: "the limit of open files is too low", errno: errno,
                remedy: "raise it: ulimit -n 1024, or LimitNOFILE= of the unit")
        case 23:
            Failure(
                .privilege, act: act, cause: "the machine's limit of open files is reached", errno: errno,
                remedy: "raise it: sysctl fs.file-max")
        default: nil
        }
    }

    /// A name that the configuration doesn't have; `names` are those that it has.
    public static func unknownCollector(pool: String, names: [String], act: String) -> Failure {
        Failure(
            .conflict, act: act,
            cause: "pool \(pool) has no collector of that name; it has \(names.joined(separator: ", "))",
            remedy: "use one of these names, or add it to collectors in the agent's configuration")
    }

    /// Act, object and cause, without the next step.
    public var problem: String {
        let code = errno.map { " (\(ErrnoName.of($0)))" } ?? ""
        return "cannot \(act): \(cause)\(code)"
    }
}

extension Failure: CustomStringConvertible {
    /// One line, with each control character replaced by `?`.
    public var description: String {
        String(
            String.UnicodeScalarView(
                "\(problem); \(remedy)".unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : $0 }))
    }
}
