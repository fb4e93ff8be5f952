import CBPFShim
import Glibc
import PoolModel
import SockArrayCore

/// A Unix socket's file.
struct UnixListenAddress: ListenAddress {
    let file: PoolConfiguration.SocketFile
    /// The file's key in the configuration, for messages.
    let key: String

    var name: String { file.path }
    private var path: String { file.path }
    private var act: String { "listen at \(path)" }
    private var folder: String { DirectoryPath.of(path) }

    func check() throws(Failure) {
        var needed = folder
        // The last folder is made, those above it are not.
        if faccessat(AT_FDCWD, needed, F_OK, 0) == -1, errno == ENOENT { needed = DirectoryPath.of(folder) }
        if faccessat(AT_FDCWD, needed + "/", W_OK | X_OK, AT_EACCESS) == -1 { throw refusal(errno, needed) }
        guard let facts = FileFacts(at: path) else { return }
        guard facts.kind == .socket else {
            throw Failure(
                .usage, act: act, cause: "\(facts.kind.rawValue) is there, not a socket",
                remedy: "move it away, or choose another path for \(key)")
        }
        // Left behind by an agent that was killed, unless somebody answers.
        let probe = rpa_unix_connect(path, 1_000)
        if probe >= 0 { close(probe) }
        if probe == -EACCES { throw refusal(EACCES, path) }
        guard probe == -ECONNREFUSED || probe == -ENOENT else {
            throw Failure(
                .conflict, act: act, cause: "another process listens there", errno: EADDRINUSE,
                remedy: "stop that process, or choose another path for \(key)")
        }
    }

    /// Makes the socket, with its folder, in place of a stale one.
    func listen() throws(Failure) -> ListeningSocket {
        try check()
        let made = systemCall(mkdir(folder, 0o755))
        if made < 0, made != -EEXIST, access(folder, F_OK) == -1 { throw refusal(-made, folder) }
        let lock = lockFolder()
        try check()
        if FileFacts(at: path) != nil {
            let removed = systemCall(unlink(path))
            if removed < 0 { throw refusal(-removed, path) }
        }
        let result = rpa_unix_listen(path, file.mode)
        guard result >= 0 else { throw refusal(-result, folder) }
        _ = consume lock
        return ListeningSocket(Descriptor(owning: result), at: path, file: FileFacts(at: path))
    }

    /// For the moment from the look at a stale socket to the new one: of two
    /// agents that start at once, the second has to see the first one's. Nil:
    /// somebody else keeps the folder locked, or it can't be read.
    private func lockFolder() -> Descriptor? {
        for _ in 0..<100 {
            do {
                return try Directory.lock(folder)
            } catch {
                if error.errno != EAGAIN { return nil }
                usleep(10_000)
            }
        }
        return nil
    }

    /// What the errno means for the file or folder that was to be used or made.
    private func refusal(_ number: Int32, _ object: String) -> Failure {
        if let failure = Failure.openFiles(act: act, errno: number) { return failure }
        let (kind, cause): (Failure.Kind, String) =
            switch number {
            case EACCES, EPERM: (.privilege, "\(object) may not be written")
            case EROFS: (.usage, "\(object) is in a read-only file system")
            case ENOENT where access(object, F_OK) == 0: (.usage, "no socket can be made in \(object)")
            case ENOENT: (.usage, "there is no folder \(object)")
            case ENOTDIR: (.usage, "\(object) is no folder")
            case ENAMETOOLONG, ELOOP, EINVAL: (.usage, "\(object) can't be used")
            default: (.privilege, "\(object) could not be used")
            }
        let remedy =
            switch number {
            case EACCES, EPERM: "run it as root, or as a user who may write there (RuntimeDirectory= of its unit)"
            case EROFS: "let the agent write there (ReadWritePaths= of its unit)"
            case ENOENT where access(object, F_OK) == -1: "make it"
            default: "look at the path"
            }
        return Failure(
            kind, act: act, cause: cause, errno: number, remedy: "\(remedy), or choose another path for \(key)")
    }
}
