import Glibc
import PoolModel
import SockArrayCore

/// The state that the agent keeps over restarts: pins that `plan --rebalance --apply` made. The file is
/// one JSON object, which is replaced as a whole.
struct StateFile {
    let path: String
    let pool: String

    private struct Content: Codable {
        static let version = 1
        var version: Int
        var pool: String
        var pins: [Pin]
    }

    private static let sizeLimit = 64 << 20

    /// Checks that the agent may replace what is at the path.
    ///
    /// - Parameter configuration: the path of the agent's configuration.
    /// - Throws: `.usage` if the path leads to the configuration or to something that isn't a regular file.
    func check(besides configuration: String) throws(Failure) {
        func unusable(_ cause: String) -> Failure {
            Failure(
                .usage, act: "use state_file \(path)", cause: cause,
                remedy: "set state_file to a path of its own, like \(PoolConfiguration.defaultStateFile(pool: pool))")
        }
        var facts = stat()
        guard lstat(path, &facts) == 0 else { return }
        guard facts.st_mode & S_IFMT == S_IFREG else { throw unusable("it is not a regular file") }
        var other = stat()
        if stat(configuration, &other) == 0, other.st_dev == facts.st_dev, other.st_ino == facts.st_ino {
            throw unusable("it is the configuration")
        }
    }

    /// The failure that `write` would have because of permissions; nil if they allow it.
    func writeRefusal() -> Failure? {
        var place = folder
        while access(place, F_OK) != 0, place != "/" { place = DirectoryPath.of(place) }
        guard access(place, W_OK | X_OK) != 0 else { return nil }
        return refusal(errno, act: "write state_file \(path)")
    }

    private func refusal(_ error: Int32, act: String) -> Failure {
        let step = access(folder, F_OK) == 0 ? "make \(folder) writable" : "create \(folder), writable"
        let remedy =
            [EACCES, EPERM, EROFS, ENOENT].contains(error)
            ? "\(step) for the agent, or set state_file in its configuration" : "check the file system of \(folder)"
        return Failure(.privilege, act: act, cause: "\(path) could not be replaced", errno: error, remedy: remedy)
    }

    /// Reads the pins; none if there is no file. A file that is damaged or has another version is renamed
    /// and reported.
    ///
    /// - Throws: `.conflict` for another pool's file.
    func read(report: (String) -> Void) throws(Failure) -> [Pin] {
        let number = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard number >= 0 else {
            if errno != ENOENT {
                report("state file \(path) could not be opened (\(errnoName)): its pins are not in force")
            }
            return []
        }
        let file = Descriptor(owning: number)
        guard let bytes = Self.content(of: file) else {
            report("state file \(path) could not be read: its pins are not in force")
            return []
        }
        guard let content = try? JSON.decode(Content.self, from: bytes) else {
            setAside("is damaged", report)
            return []
        }
        guard content.version == Content.version else {
            setAside("has version \(content.version), not \(Content.version)", report)
            return []
        }
        guard content.pool == pool else {
            throw Failure(
                .conflict, act: "use state_file \(path)", cause: "it is pool \(content.pool)'s, not \(pool)'s",
                remedy: "give each pool a state_file of its own")
        }
        return content.pins
    }

    /// Replaces the file atomically: a crash leaves the old or the new file.
    func write(_ pins: [Pin], act: String) throws(Failure) {
        try? Directory.make(folder, mode: 0o755)
        guard let bytes = try? JSON.encode(Content(version: Content.version, pool: pool, pins: pins), pretty: true)
        else { throw refusal(EINVAL, act: act) }
        let error = DurableFile.exchange(path, for: bytes, mode: 0o644)
        guard error == 0 else { throw refusal(error, act: act) }
        // The pins are in force even if a crash could bring back the old file.
        _ = DurableFile.settleFolder(of: path)
    }

    private func setAside(_ cause: String, _ report: (String) -> Void) {
        if let other = DurableFile.setAside(path) {
            report("state file \(path) \(cause): it was renamed to \(other), and its pins are not in force")
        } else {
            report("state file \(path) \(cause), and could not be renamed (\(errnoName)): its pins are not in force")
        }
    }

    private var folder: String { DirectoryPath.of(path) }
    private var errnoName: String { ErrnoName.of(errno) }

    /// Nil if the file isn't a regular file, is too large, or can't be read.
    private static func content(of file: borrowing Descriptor) -> [UInt8]? {
        var facts = stat()
        guard fstat(file.number, &facts) == 0, facts.st_size <= sizeLimit else { return nil }
        return try? DurableFile.read(file)
    }
}
