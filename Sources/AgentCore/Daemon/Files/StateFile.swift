import Glibc
import SockArrayCore

/// What the agent was told at run time and keeps over its restarts: pins that
/// `plan --rebalance --apply` made. One JSON object, replaced as a whole.
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

    /// - Parameter configuration: path of the agent's own.
    /// - Throws: `.usage` where something stands that the agent must not replace.
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

    /// Why `write` would fail, as far as permissions say; nil: it would not.
    func writeRefusal() -> Failure? {
        var place = folder
        while access(place, F_OK) != 0, place != "/" { place = DirectoryPath.of(place) }
        guard access(place, W_OK | X_OK) != 0 else { return nil }
        return refusal(errno, act: "write state_file \(path)")
    }

    private func refusal(_ error: Int32, act: String) -> Failure {
        let remedy =
            [EACCES, EPERM, EROFS, ENOENT].contains(error)
            ? "make \(folder) writable for the agent, or set state_file in its configuration"
            : "look at the file system of \(folder)"
        return Failure(.privilege, act: act, cause: "\(path) could not be replaced", errno: error, remedy: remedy)
    }

    /// The pins; none where there is no file. A file that is cut short or of another
    /// version is set aside, and `report` told so.
    ///
    /// - Throws: `.conflict` for another pool's file.
    func read(report: (String) -> Void) throws(Failure) -> [Pin] {
        let number = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard number >= 0 else {
            if errno != ENOENT {
                report("state file \(path) could not be opened (\(errnoName)): no pins are taken from it")
            }
            return []
        }
        let file = Descriptor(owning: number)
        guard let bytes = Self.content(of: file) else {
            report("state file \(path) could not be read: no pins are taken from it")
            return []
        }
        guard let content = try? JSON.decode(Content.self, from: bytes) else {
            setAside("is not whole", report)
            return []
        }
        guard content.version == Content.version else {
            setAside("is of version \(content.version), not \(Content.version)", report)
            return []
        }
        guard content.pool == pool else {
            throw Failure(
                .conflict, act: "use state_file \(path)", cause: "it is pool \(content.pool)'s, not \(pool)'s",
                remedy: "give each pool a state_file of its own")
        }
        return content.pins
    }

    /// Replaces the file at once: after a crash there is the old or the new one.
    func write(_ pins: [Pin], act: String) throws(Failure) {
        try? Directory.make(folder, mode: 0o755)
        guard let bytes = try? JSON.encode(Content(version: Content.version, pool: pool, pins: pins), pretty: true)
        else { fatalError("pins are plain text") }
        let error = DurableFile.exchange(path, for: bytes, mode: 0o644)
        guard error == 0 else { throw refusal(error, act: act) }
        // It is in force, also where a crash could bring back the old one.
        _ = DurableFile.settleFolder(of: path)
    }

    private func setAside(_ cause: String, _ report: (String) -> Void) {
        if let other = DurableFile.setAside(path) {
            report("state file \(path) \(cause): it was set aside as \(other), and no pins are taken from it")
        } else {
            report("state file \(path) \(cause), and could not be set aside (\(errnoName)): no pins are taken from it")
        }
    }

    private var folder: String { DirectoryPath.of(path) }
    private var errnoName: String { ErrnoName.of(errno) }

    /// Nil: not a regular file, too large, or unreadable.
    private static func content(of file: borrowing Descriptor) -> [UInt8]? {
        var facts = stat()
        guard fstat(file.number, &facts) == 0, facts.st_size <= sizeLimit else { return nil }
        return try? DurableFile.read(file)
    }
}
