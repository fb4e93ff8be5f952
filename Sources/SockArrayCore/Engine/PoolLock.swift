import CBPFShim
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
            self.folder = Descriptor(owning: try kernel("flock \(folder.path)", rpa_lock_folder(folder.path)))
        } catch  where error.errno == KernelError.again {
            throw Failure(
                .conflict, act: act, cause: "another agent runs pool \(pool) (\(folder.path) is locked)",
                remedy: "stop that agent first, or give this pool another name")
        } catch {
            throw PoolError.call(error).failure(act: act, pool: pool)
        }
    }

    deinit { rpa_unlock_folder(folder.number) }
}
