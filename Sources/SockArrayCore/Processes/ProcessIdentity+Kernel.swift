import Glibc
import PoolModel

extension ProcessIdentity {
    /// Whether the process with this pid is alive and still the same one. True if that is unknown,
    /// for want of descriptors or memory: a collector that counts as dead loses its sockets.
    ///
    /// An agent in another time namespace may have read a start time that is one tick apart
    /// (`TimeOffsets.kernelTicks`). No pid is reused within a tick.
    public var isAlive: Bool {
        errno = 0
        if let present = ProcessFacts.startTime(of: pid) { return isStart(present) }
        return [EMFILE, ENFILE, ENOMEM].contains(errno)
    }

    /// The process with this pid that started then is this one.
    func isStart(_ ticks: UInt64) -> Bool { ticks.isWithinOneTick(of: startTime) }

    /// Nil: there is no such process.
    public init?(pid: Int32) {
        guard let startTime = ProcessFacts.startTime(of: pid) else { return nil }
        self.init(pid: pid, startTime: startTime)
    }
}

extension UInt64 {
    fileprivate func isWithinOneTick(of other: UInt64) -> Bool { self &- other &+ 1 <= 2 }
}
