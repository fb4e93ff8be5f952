import Glibc
import PoolModel
import Synchronization
import TelemetryLab

/// Sends datagrams from one address to the pool's UDP port, one after the other, until it is stopped. It doesn't
/// need this thread, because its socket knows the network namespace.
final class BackgroundSender: Sendable {
    private let state = Mutex((count: 0, isStopped: false, hasEnded: false))

    /// - Parameter pause: between two datagrams, in microseconds.
    init(from source: IPAddress, pause: UInt32 = 20) throws {
        nonisolated(unsafe) let socket = try InternetSocket(.udp, bind: source)
        let target = PoolFixture.target(for: source)
        Task.detached { [self] in
            while !state.withLock({ $0.isStopped }) {
                // What the kernel answered to the datagram before.
                if (try? socket.send([1, 2, 3, 4], to: target, PoolFixture.ipfixPort)) == nil { continue }
                state.withLock { $0.count += 1 }
                usleep(pause)
            }
            state.withLock { $0.hasEnded = true }
        }
    }

    /// Datagrams that were sent.
    var count: Int { state.withLock { $0.count } }

    func wait(for count: Int) { while self.count < count { usleep(200) } }

    /// Returns when the last datagram has been sent.
    func stop() {
        state.withLock { $0.isStopped = true }
        while !state.withLock({ $0.hasEnded }) { usleep(200) }
    }
}
