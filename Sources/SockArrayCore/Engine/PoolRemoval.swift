import Glibc
import PoolModel

/// Takes a pool out of the kernel: the programs off their groups, the pins away.
public struct PoolRemoval: Sendable {
    /// Groups none of whose sockets could be reached: the dispatcher stays attached,
    /// without a program to call, until the last socket is closed, and the kernel
    /// chooses the socket.
    public let stillAttached: [String]

    /// - Throws: `.absent` if there is no such pool, `.conflict` while an agent runs it.
    public init(pool: String, bpffs: String) throws(Failure) {
        let act = "unload pool \(pool)"
        let folder = PinFolder(path: "\(bpffs)/\(pool)")
        let absent = Failure(
            .absent, act: act, cause: "there are no pins at \(folder.path)",
            remedy: "name the pool of a configuration, and its bpffs folder with --bpffs")
        guard BPFFileSystem.isMounted(at: folder.path) else { throw absent }
        func refused(_ error: KernelError) -> Failure {
            Self.meaning(of: error, pins: folder.path, act: act, pool: pool, absent)
        }
        let lock: Descriptor
        do { lock = try Directory.lock(folder.path) } catch { throw refused(error) }
        let names = folder.names()
        if names.isEmpty { throw absent }
        guard names.contains(PoolSettings.pin) else {
            throw Failure(
                .absent, act: act, cause: "what is pinned at \(folder.path) is no pool's: it has no settings",
                remedy: "name the pool of a configuration, and its bpffs folder with --bpffs")
        }
        stillAttached = GroupRemoval.detach(folder.subfolder("groups").names(), in: folder)
        do { try folder.remove(last: PoolSettings.pin) } catch { throw refused(error) }
        _ = consume lock
        // Only if it was the last pool.
        rmdir(bpffs)
    }

    private static func meaning(
        of error: KernelError, pins: String, act: String, pool: String, _ absent: Failure
    ) -> Failure {
        switch error.errno {
        case KernelError.noEntry: return absent
        case KernelError.again:
            return Failure(.conflict, act: act, cause: "its agent is running", remedy: "stop the agent first")
        case KernelError.accessDenied:
            return Failure(
                .privilege, act: act, cause: "the pins at \(pins) may not be opened", errno: error.errno,
                remedy: "run it as root, or as the agent's user")
        default: return PoolError.call(error).failure(act: act, pool: pool)
        }
    }
}
