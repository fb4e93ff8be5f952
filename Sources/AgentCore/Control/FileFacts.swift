import Glibc

/// The kind and identity of the file at a path, without following a symbolic link (lstat(2)).
struct FileFacts: Equatable {
    /// The kind of the file, as messages name it.
    enum Kind: String {
        case socket = "a socket"
        case regularFile = "a regular file"
        case directory = "a directory"
        case symbolicLink = "a symbolic link"
        case other = "a device or a pipe"
    }

    let kind: Kind
    private let device: UInt
    private let inode: UInt

    /// Nil if there is no file at the path, or the file can't be accessed.
    init?(at path: String) {
        var facts = stat()
        guard lstat(path, &facts) == 0 else { return nil }
        (device, inode) = (UInt(facts.st_dev), UInt(facts.st_ino))
        kind =
            switch facts.st_mode & S_IFMT {
            case S_IFSOCK: .socket
            case S_IFREG: .regularFile
            case S_IFDIR: .directory
            case S_IFLNK: .symbolicLink
            default: .other
            }
    }
}
