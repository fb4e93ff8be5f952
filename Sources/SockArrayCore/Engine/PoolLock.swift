import Glibc
import PoolModel

/// Held by the one agent of a pool, from its start to its end, however that comes.
final class PoolLock {
    private let folder: Descriptor

    /// Makes the pool's folder if there is none.
    ///
    /// - Throws: `.conflict` while another agent holds it.
    init(_ folder: PinFolder, pool: String, act: String) throws(Failure) {
        do {
            try folder.make()
            self.folder = try Directory.lock(folder.path)
        } catch  where error.errno == KernelError.again {
            throw Failure(
                .conflict, act: act, cause: "another agent runs pool \(pool) (\(folder.path) is locked)",
                remedy:
                    "stop that agent first, or use it: reuseport-agent status --control PATH, with its control_socket")
        } catch {
            throw PoolError.call(error).failure(act: act, pool: pool)
        }
    }

    /// Unlocks at once, even if a process that was just forked has a copy of the descriptor.
    deinit { flock(folder.number, LOCK_UN) }
}
