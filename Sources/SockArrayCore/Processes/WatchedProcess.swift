import CBPFShim
import Glibc
import PoolModel

/// A process by its pidfd (pidfd_open(2)), whose end can be awaited. A client can pass the
/// pidfd of a process that has another pid in the agent's PID namespace.
public final class WatchedProcess {
    private let descriptor: Descriptor
    /// Nil: the process has ended, or isn't visible in our PID namespace.
    public let identity: ProcessIdentity?

    /// Takes ownership of the descriptor.
    ///
    /// - Throws: EBADF: it isn't a pidfd.
    public init(_ descriptor: consuming Descriptor) throws(KernelError) {
        let pid = try Pidfd.pid(of: descriptor)
        let found = pid > 0 ? ProcessIdentity(pid: pid) : nil
        // The process is still alive: the start time that was read in between is its own.
        identity = Pidfd.hasEnded(descriptor.number) ? nil : found
        self.descriptor = descriptor
    }

    /// Nil: the process has ended.
    ///
    /// - Throws: EMFILE, ENFILE, ENOMEM: its state is unknown.
    public init?(_ identity: ProcessIdentity) throws(KernelError) {
        let result = rpa_pidfd_open(identity.pid)
        if result == -KernelError.noProcess { return nil }
        descriptor = Descriptor(owning: try kernel("pidfd_open \(identity.pid)", result))
        self.identity = identity
        guard identity.isAlive else { return nil }
    }

    /// The pool can't identify the process by a pid.
    public var isHidden: Bool { identity == nil }

    public var hasEnded: Bool { Pidfd.hasEnded(number) }

    /// The effective user. Nil: the process has ended, or isn't visible in our PID namespace.
    public var user: UInt32? {
        let user = identity.flatMap { ProcessFacts.user(of: $0.pid) }
        return hasEnded ? nil : user
    }

    /// For poll(2): POLLIN: the process has ended. Borrowed.
    public var number: Int32 { descriptor.number }
}

/// What a pidfd shows of its process (pidfd_open(2)).
enum Pidfd {
    /// `Pid:` of /proc/self/fdinfo/N: in the PID namespace of that /proc; 0 if it
    /// isn't visible there, -1 once it is reaped.
    ///
    /// - Throws: EBADF: it isn't a pidfd.
    static func pid(of descriptor: borrowing Descriptor) throws(KernelError) -> Int32 {
        let fields = ProcessFacts.fields(of: "/proc/self/fdinfo/\(descriptor.number)")
        guard let pid = fields?["Pid"].flatMap({ Int32($0) }) else {
            throw KernelError(operation: "read Pid of a pidfd", errno: KernelError.badDescriptor)
        }
        return pid
    }

    /// - Throws: also ESRCH: the process is reaped, or not visible.
    static func visiblePid(of descriptor: borrowing Descriptor) throws(KernelError) -> Int32 {
        let pid = try pid(of: descriptor)
        guard pid > 0 else { throw KernelError(operation: "read Pid of a pidfd", errno: KernelError.noProcess) }
        return pid
    }

    /// Whether the process has ended. Until then, no other process has its pid.
    static func hasEnded(_ number: Int32) -> Bool {
        var wait = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        return poll(&wait, 1, 0) == 1
    }
}
