import Synchronization

/// Keeps the closing of sockets and the start of processes apart, on all threads.
///
/// A new process has copies of every descriptor until it is another program: a
/// socket that is closed meanwhile lives on in them for some milliseconds, and a
/// test that says "its collector is gone" would be wrong for as long. Tests that have
/// the agent's code start processes in their own one pass here too.
public enum ForkGate {
    private static let gate = Mutex(())

    public static func pass<Result>(_ body: () throws -> Result) rethrows -> Result {
        try gate.withLock { _ in try body() }
    }
}
