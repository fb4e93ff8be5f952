import Glibc
import PoolModel
import SockArrayCore

/// Checks of the settings that depend on this machine, so that a typing error is found before the agent
/// starts. They create nothing.
extension UsageSettings {
    /// - Parameter awaitsFolder: whether the folder of the file of events may be missing for now.
    /// - Returns: a failure for that missing folder; nil if the folder exists.
    /// - Throws: `.usage` if the queue's folder or the file of events can't exist.
    @discardableResult
    package func check(awaitsFolder: Bool) throws(Failure) -> Failure? {
        try UsageFolder(path: folder).check(makes: false)
        guard case .missingFolder(let failure) = try checkFile() else { return nil }
        guard awaitsFolder else { throw failure }
        return failure
    }

    enum FileFinding {
        /// The file exists or can be created, and can be written.
        case fit
        /// The current user can't find out, or lacks the permission.
        case unknown(String)
        /// The file's folder doesn't exist; it may appear later, for example with a late mount.
        case missingFolder(Failure)
    }

    /// Checks whether the file of events can be at its configured path.
    ///
    /// - Returns: nil if events don't go to a file.
    /// - Throws: `.usage` if no agent could write the file: it isn't a regular file, or no such folder can
    ///   exist.
    func checkFile() throws(Failure) -> FileFinding? {
        guard case .file(let path) = target else { return nil }
        func unusable(_ cause: String, _ number: Int32?, _ remedy: String) -> Failure {
            Failure(.usage, act: "use usage.to.file \(path)", cause: cause, errno: number, remedy: remedy)
        }
        var facts = stat()
        if stat(path, &facts) == 0 {
            switch facts.st_mode & S_IFMT {
            case S_IFREG: return Self.finding(of: path, R_OK | W_OK, "read and write it")
            case S_IFDIR: throw unusable("it is a directory", EISDIR, "give the path of a file in it")
            default:
                throw unusable("it is not a regular file", nil, "give the path of one, or a command that writes there")
            }
        }
        var error = errno
        if error == ELOOP || error == ENAMETOOLONG {
            throw unusable("it can't be found", error, "give another path")
        }
        guard error == ENOENT || error == ENOTDIR else { return Self.unseen(error) }
        let parent = DirectoryPath.of(Self.end(ofLinksFrom: path))
        if stat(parent, &facts) == 0 {
            guard facts.st_mode & S_IFMT == S_IFDIR else {
                throw unusable("\(parent) is not a directory", ENOTDIR, "correct the path")
            }
            return Self.finding(of: parent, W_OK | X_OK, "write there")
        }
        error = errno
        // The agent creates it with the queue's folder.
        if error == ENOENT, folder == parent || folder.hasPrefix(parent + "/") { return .fit }
        guard error == ENOENT || error == ENOTDIR else { return Self.unseen(error) }
        let failure = unusable(
            "its folder \(parent) doesn't exist", error,
            "correct the path, or create the folder for the agent's user: the agent doesn't create it")
        guard error == ENOENT else { throw failure }
        return .missingFolder(failure)
    }

    /// The path where open(2) would create the file: symbolic links may lead to a file that doesn't exist.
    private static func end(ofLinksFrom path: String) -> String {
        var path = path
        // The kernel follows at most 40 links (path_resolution(7)).
        for _ in 0..<40 {
            guard let next = Directory.target(ofLink: path) else { return path }
            path = next.hasPrefix("/") ? next : DirectoryPath.of(path) + "/" + next
        }
        return path
    }

    /// Checks the permission by the effective user, as open(2) does.
    private static func finding(of path: String, _ mode: Int32, _ act: String) -> FileFinding {
        if faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0 { return .fit }
        return .unknown("the current user can't \(act) (\(ErrnoName.of(errno)))")
    }

    private static func unseen(_ error: Int32) -> FileFinding {
        .unknown("the current user can't look there (\(ErrnoName.of(error)))")
    }
}
