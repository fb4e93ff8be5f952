import Glibc

/// A process that a client named by passing a pidfd of it (pidfd_open(2)): so it
/// is known to the agent even if they number processes differently.
public final class PassedProcess {
    let descriptor: Descriptor
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

    /// For poll(2): POLLIN says that it has ended. Borrowed.
    public var number: Int32 { descriptor.number }

    /// `Pid:` of /proc/self/fdinfo/N: in the PID namespace of that /proc; 0 if it
    /// isn't visible there, -1 once it is reaped. Nil: no pidfd.
    private static func pid(of descriptor: borrowing Descriptor) -> Int32? {
        ProcessFacts.fields(of: "/proc/self/fdinfo/\(descriptor.number)")?["Pid"].flatMap { Int32($0) }
    }
}
