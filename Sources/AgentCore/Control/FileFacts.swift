import Glibc

/// What stands at a path, itself and not what a symbolic link leads to (lstat(2)).
struct FileFacts: Equatable {
    /// As messages name it.
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

    /// Nil: there is nothing, or it can't be seen.
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
