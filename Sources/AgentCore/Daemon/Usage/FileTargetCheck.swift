import Glibc
import PoolModel

/// Checks whether the file of events can be at its configured path, so that a typing error is found
/// before the agent starts. Creates nothing.
struct FileTargetCheck {
    let path: String
    /// The queue's folder. The agent creates it with the folders above it.
    private let queue: String

    enum Finding {
        /// The file exists or can be created, and can be written.
        case fit
        /// The current user can't find out, or lacks the permission.
        case unknown(String)
        /// The file's folder doesn't exist; it may appear later, for example with a late mount.
        case missingFolder(Failure)
    }

    /// Nil if events don't go to a file.
    init?(_ settings: UsageSettings) {
        guard case .file(let path) = settings.target else { return nil }
        self.path = path
        queue = settings.folder
    }

    /// - Throws: `.usage` if no agent could write the file: it isn't a regular file, or no such folder can
    ///   exist.
    func finding() throws(Failure) -> Finding {
        var facts = stat()
        guard stat(path, &facts) != 0 else {
            switch facts.st_mode & S_IFMT {
            case S_IFREG: return usable(path, R_OK | W_OK, "read and write it")
            case S_IFDIR: throw unusable("it is a directory", EISDIR, "give the path of a file in it")
            default:
                throw unusable("it is not a regular file", nil, "give the path of one, or a command that writes there")
            }
        }
        let error = errno
        switch error {
        case ENOENT, ENOTDIR: return try findingOfFolder(DirectoryPath.of(Self.end(ofLinksFrom: path)))
        case ELOOP, ENAMETOOLONG: throw unusable("it can't be found", error, "give another path")
        default: return Self.unseen(error)
        }
    }

    /// The path where open(2) would create the file: symbolic links may lead to a file that doesn't exist.
    private static func end(ofLinksFrom path: String) -> String {
        var path = path
        // The kernel follows at most 40 links (path_resolution(7)).
        for _ in 0..<40 {
            var target = [UInt8](repeating: 0, count: Int(PATH_MAX))
            let length = target.withUnsafeMutableBytes {
                readlink(path, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
            }
            guard length > 0 else { return path }
            let next = String(decoding: target[..<length], as: UTF8.self)
            path = next.hasPrefix("/") ? next : DirectoryPath.of(path) + "/" + next
        }
        return path
    }

    /// The finding for a file that doesn't exist.
    private func findingOfFolder(_ folder: String) throws(Failure) -> Finding {
        var facts = stat()
        guard stat(folder, &facts) != 0 else {
            guard facts.st_mode & S_IFMT == S_IFDIR else {
                throw unusable("\(folder) is not a directory", ENOTDIR, "correct the path")
            }
            return usable(folder, W_OK | X_OK, "write there")
        }
        let error = errno
        // The agent creates it with the queue's folder.
        if error == ENOENT, queue == folder || queue.hasPrefix(folder + "/") { return .fit }
        guard error == ENOENT || error == ENOTDIR else { return Self.unseen(error) }
        let failure = unusable(
            "its folder \(folder) doesn't exist", error,
            "correct the path, or create the folder for the agent's user: the agent doesn't create it")
        guard error == ENOENT else { throw failure }
        return .missingFolder(failure)
    }

    /// Checks the permission by the effective user, as open(2) does.
    private func usable(_ path: String, _ mode: Int32, _ act: String) -> Finding {
        guard faccessat(AT_FDCWD, path, mode, AT_EACCESS) != 0 else { return .fit }
        let error = errno
        return .unknown("the current user can't \(act) (\(ErrnoName.of(error)))")
    }

    private static func unseen(_ error: Int32) -> Finding {
        .unknown("the current user can't look there (\(ErrnoName.of(error)))")
    }

    private func unusable(_ cause: String, _ number: Int32?, _ remedy: String) -> Failure {
        Failure(.usage, act: "use usage.to.file \(path)", cause: cause, errno: number, remedy: remedy)
    }
}
