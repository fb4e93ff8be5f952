import Glibc
import SockArrayCore

/// Whether a file of events can be where the configuration has it: a typing error is
/// told before anything runs. Nothing is made.
struct FileTargetCheck {
    let path: String
    /// Directory of the queue, which the agent makes, with those above it.
    private let queue: String

    enum Finding {
        /// It is there, or can be made, and written.
        case fit
        /// What can't be told, or isn't so for the present user.
        case untold(String)
        /// Its folder isn't there; it may come, like one of a late mount.
        case homeless(Failure)
    }

    /// Nil: events don't go to a file.
    init?(_ settings: UsageSettings) {
        guard case .file(let path) = settings.target else { return nil }
        self.path = path
        queue = settings.folder
    }

    /// - Throws: `.usage` where no agent could write it: it is no regular file, or can have no folder.
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

    /// Where opening the path makes the file: behind links that lead to nothing yet.
    private static func end(ofLinksFrom path: String) -> String {
        var path = path
        // As many as the kernel follows (path_resolution(7)).
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

    /// The file isn't there.
    private func findingOfFolder(_ folder: String) throws(Failure) -> Finding {
        var facts = stat()
        guard stat(folder, &facts) != 0 else {
            guard facts.st_mode & S_IFMT == S_IFDIR else {
                throw unusable("\(folder) is not a directory", ENOTDIR, "correct the path")
            }
            return usable(folder, W_OK | X_OK, "write there")
        }
        let error = errno
        // It comes with the queue's.
        if error == ENOENT, queue == folder || queue.hasPrefix(folder + "/") { return .fit }
        guard error == ENOENT || error == ENOTDIR else { return Self.unseen(error) }
        let failure = unusable(
            "its folder \(folder) doesn't exist", error,
            "correct the path, or make the folder for the agent's user: the agent doesn't")
        guard error == ENOENT else { throw failure }
        return .homeless(failure)
    }

    /// As appending a batch will have it, by the user that the process acts as.
    private func usable(_ path: String, _ mode: Int32, _ act: String) -> Finding {
        guard faccessat(AT_FDCWD, path, mode, AT_EACCESS) != 0 else { return .fit }
        let error = errno
        return .untold("the present user can't \(act) (\(ErrnoName.of(error)))")
    }

    private static func unseen(_ error: Int32) -> Finding {
        .untold("the present user can't look there (\(ErrnoName.of(error)))")
    }

    private func unusable(_ cause: String, _ number: Int32?, _ remedy: String) -> Failure {
        Failure(.usage, act: "use usage.to.file \(path)", cause: cause, errno: number, remedy: remedy)
    }
}
