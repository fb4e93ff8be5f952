import Glibc

extension ProcessIdentity {
    /// The process with this pid is alive, and no other one. Also if it can't be told,
    /// for want of descriptors or memory: who counts as dead loses its sockets.
    public var isAlive: Bool {
        errno = 0
        if let present = ProcessFacts.startTime(of: pid) { return present == startTime }
        return [EMFILE, ENFILE, ENOMEM].contains(errno)
    }

    /// Nil: there is no such process.
    public init?(pid: Int32) {
        guard let startTime = ProcessFacts.startTime(of: pid) else { return nil }
        self.init(pid: pid, startTime: startTime)
    }
}
