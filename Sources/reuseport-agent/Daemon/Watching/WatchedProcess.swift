import Glibc
import SockArrayCore

/// A process whose end the agent's loop can wait for (pidfd_open(2)).
final class WatchedProcess {
    /// Nil: it isn't visible in the agent's PID namespace.
    let identity: ProcessIdentity?
    private let holder: Holder

    private enum Holder {
        case opened(OpenedProcess)
        case passed(PassedProcess)
    }

    /// Nil: that process is gone.
    init?(_ identity: ProcessIdentity) {
        guard let process = try? OpenedProcess(pid: identity.pid), identity.isAlive else { return nil }
        self.identity = identity
        holder = .opened(process)
    }

    init(_ process: PassedProcess) {
        identity = process.identity
        holder = .passed(process)
    }

    /// The pool can't know its owner by a pid.
    var isHidden: Bool { identity == nil }

    /// For poll(2): POLLIN says that it has ended.
    var number: Int32 {
        switch holder {
        case .opened(let process): process.number
        case .passed(let process): process.number
        }
    }

    var hasEnded: Bool {
        var wait = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        return poll(&wait, 1, 0) == 1
    }
}

/// OtherProcess in an object.
private final class OpenedProcess {
    private let process: OtherProcess

    init(pid: Int32) throws(KernelError) { process = try OtherProcess(pid: pid) }

    var number: Int32 { process.number }
}
