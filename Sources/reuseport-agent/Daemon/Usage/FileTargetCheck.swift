import Glibc
import SockArrayCore

/// Whether a file of events can be where the configuration has it: a typing error is
/// told before anything runs. Nothing is made.
struct FileTargetCheck {
    let path: String
    /// Folder of the queue, which the agent makes, with those above it.
    private let queue: String

    /// Nil: events don't go to a file.
    init?(_ settings: UsageSettings) {
        guard case .file(let path) = settings.target else { return nil }
        self.path = path
        queue = settings.folder
    }

    private var folder: String { FolderPath.of(path) }

    /// - Returns: what can't be told, or isn't so for the present user; nil: the file is
    ///   there, or can be made, and written.
    /// - Throws: `.usage` where no agent could write it: it is no regular file, or has no folder.
    func note() throws(Failure) -> String? {
        var facts = stat()
        guard stat(path, &facts) != 0 else {
            switch facts.st_mode & S_IFMT {
            case S_IFREG: return access(path, W_OK) == 0 ? nil : unwritable
            case S_IFDIR: throw unusable("it is a directory", EISDIR, "give the path of a file in it")
            default:
                throw unusable("it is not a regular file", nil, "give the path of one, or a command that writes there")
            }
        }
        switch errno {
        case ENOENT, ENOTDIR: return try noteOfFolder()
        case ELOOP, ENAMETOOLONG: throw unusable("it can't be found", errno, "give another path")
        default: return unseen
        }
    }

    /// The file isn't there.
    private func noteOfFolder() throws(Failure) -> String? {
        var facts = stat()
        guard stat(folder, &facts) != 0 else {
            guard facts.st_mode & S_IFMT == S_IFDIR else {
                throw unusable("\(folder) is not a directory", ENOTDIR, "correct the path")
            }
            return access(folder, W_OK | X_OK) == 0 ? nil : unwritable
        }
        // It comes with the queue's.
        if errno == ENOENT, queue == folder || queue.hasPrefix(folder + "/") { return nil }
        guard errno == ENOENT || errno == ENOTDIR else { return unseen }
        throw unusable(
            "its folder \(folder) doesn't exist", errno,
            "correct the path, or make the folder for the agent's user: the agent doesn't")
    }

    private var unseen: String { "the present user can't look there (\(ErrnoName.of(errno)))" }
    private var unwritable: String { "the present user can't write there (\(ErrnoName.of(errno)))" }

    private func unusable(_ cause: String, _ number: Int32?, _ remedy: String) -> Failure {
        Failure(.usage, act: "use usage.to.file \(path)", cause: cause, errno: number, remedy: remedy)
    }
}
