import CBPFShim
import Glibc

/// A process by its pidfd (pidfd_open(2)), whose end can be waited for. A client that
/// passes one names a process that the agent may number differently.
public final class WatchedProcess {
    private let descriptor: Descriptor
    /// Nil: it is gone, or it isn't visible in our PID namespace.
    public let identity: ProcessIdentity?

    /// Takes the descriptor over.
    ///
    /// - Throws: EBADF: it is no pidfd.
    public init(_ descriptor: consuming Descriptor) throws(KernelError) {
        guard let pid = Self.pid(of: descriptor) else {
            throw KernelError(operation: "read Pid of a pidfd", errno: KernelError.badDescriptor)
        }
        let identity = pid > 0 ? ProcessIdentity(pid: pid) : nil
        // Still the pidfd's: the start time read in between is its process's.
        let isSame = Self.pid(of: descriptor) == pid
        self.descriptor = descriptor
        self.identity = isSame ? identity : nil
    }

    /// Nil: that process is gone.
    public init?(_ identity: ProcessIdentity) {
        let result = rpa_pidfd_open(identity.pid)
        guard result >= 0 else { return nil }
        descriptor = Descriptor(owning: result)
        self.identity = identity
        guard identity.isAlive else { return nil }
    }

    /// The pool can't know its owner by a pid.
    public var isHidden: Bool { identity == nil }

    public var hasEnded: Bool {
        var wait = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        return poll(&wait, 1, 0) == 1
    }

    /// For poll(2): POLLIN says that it has ended. Borrowed.
    public var number: Int32 { descriptor.number }

    /// `Pid:` of /proc/self/fdinfo/N: in the PID namespace of that /proc; 0 if it
    /// isn't visible there, -1 once it is reaped. Nil: no pidfd.
    private static func pid(of descriptor: borrowing Descriptor) -> Int32? {
        ProcessFacts.fields(of: "/proc/self/fdinfo/\(descriptor.number)")?["Pid"].flatMap { Int32($0) }
    }
}
