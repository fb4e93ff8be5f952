extension ProcessIdentity {
    /// The process with this pid is alive, and no other one.
    public var isAlive: Bool { ProcessFacts.startTime(of: pid) == startTime }

    /// Nil: there is no such process.
    public init?(pid: Int32) {
        guard let startTime = ProcessFacts.startTime(of: pid) else { return nil }
        self.init(pid: pid, startTime: startTime)
    }
}
