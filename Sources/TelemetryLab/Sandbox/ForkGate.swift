import Synchronization

/// Separates the closing of sockets from the start of processes, on all threads.
///
/// Until it executes another program, a new process has copies of every descriptor. A
/// socket that is closed meanwhile lives on in them for some milliseconds, and a
/// test could find the socket of a collector that is gone. Tests whose agent code starts
/// processes in the test process pass this gate, too.
public enum ForkGate {
    private static let gate = Mutex(())

    public static func pass<Result>(_ body: () throws -> Result) rethrows -> Result {
        try gate.withLock { _ in try body() }
    }
}
