import Synchronization

/// Keeps the closing of sockets and the start of processes apart, on all threads.
///
/// A new process has copies of every descriptor until it is another program: a
/// socket that is closed meanwhile lives on in them for some milliseconds, and a
/// test that says "its collector is gone" would be wrong for as long.
enum ForkGate {
    private static let gate = Mutex(())

    static func pass(_ body: () -> Int32) -> Int32 { gate.withLock { _ in body() } }

}
