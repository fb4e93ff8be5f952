import Glibc
import SockArrayCore

/// Files that are there, whole, after a crash. Every function may wait for the disk,
/// and returns 0 or a positive errno, where nothing else is said.
enum DurableFile {
    /// What came of a change to a folder; with a positive errno.
    enum Outcome: Equatable {
        /// It is there after a crash.
        case settled
        /// It was made, for all to see, and a crash may bring back what was before.
        case unsettled(Int32)
        /// Nothing is other than before.
        case refused(Int32)
    }

    /// Replaces the file at once: after a crash there is the old or the new one, and
    /// once it is settled, the new one.
    static func replace(_ path: String, with bytes: [UInt8]) -> Outcome {
        changeFolder(of: path) { exchange(path, for: bytes, mode: 0o640) }
    }

    /// The folder is opened first: what could refuse that comes before the change.
    private static func changeFolder(of path: String, _ change: () -> Int32) -> Outcome {
        let number = open(DirectoryPath.of(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard number >= 0 else { return .refused(errno) }
        let folder = Descriptor(owning: number)
        let error = change()
        guard error == 0 else { return .refused(error) }
        return fsync(folder.number) == 0 ? .settled : .unsettled(errno)
    }

    /// Replaces the file at once: after a crash there is the old or the new one.
    static func exchange(_ path: String, for bytes: [UInt8], mode: mode_t) -> Int32 {
        let temporary = path + ".new"
        let number = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode)
        guard number >= 0 else { return errno }
        let file = Descriptor(owning: number)
        var error = write(bytes[...], to: file)
        if error == 0, fsync(file.number) != 0 { error = errno }
        if error == 0, rename(temporary, path) != 0 { error = errno }
        if error != 0 { unlink(temporary) }
        return error
    }

    /// Of no effect where it isn't there.
    static func remove(_ path: String) -> Outcome {
        changeFolder(of: path) { unlink(path) == 0 || errno == ENOENT ? 0 : errno }
    }

    static func write(_ bytes: ArraySlice<UInt8>, to file: borrowing Descriptor) -> Int32 {
        var rest = bytes
        while !rest.isEmpty {
            let length = rest.withUnsafeBytes { Glibc.write(file.number, $0.baseAddress, $0.count) }
            if length > 0 {
                rest = rest.dropFirst(length)
            } else if length == 0 || errno != EINTR {
                return length == 0 ? EIO : errno
            }
        }
        return 0
    }

    /// What was made, renamed or removed in the file's folder stays so.
    static func settleFolder(of path: String) -> Int32 {
        let number = open(DirectoryPath.of(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard number >= 0 else { return errno }
        let folder = Descriptor(owning: number)
        return fsync(folder.number) == 0 ? 0 : errno
    }

    /// With those above it.
    static func makeFolder(_ path: String) -> Int32 {
        do { try Directory.make(path, mode: 0o750) } catch { return error.errno }
        return access(path, W_OK | X_OK) == 0 ? 0 : errno
    }

    /// Whether it can be made and written, without doing so.
    static func probeFolder(_ path: String) -> Int32 {
        var path = path
        while access(path, F_OK) != 0, errno == ENOENT, path != "/" { path = DirectoryPath.of(path) }
        return access(path, W_OK | X_OK) == 0 ? 0 : errno
    }

    /// Renames a file that can't be used. A file that was set aside before stays.
    ///
    /// - Returns: the new path; nil if the file could not be renamed.
    static func setAside(_ path: String) -> String? {
        let names = ["", "-2", "-3", "-4", "-5"].map { path + ".unusable" + $0 }
        let other = names.first { access($0, F_OK) != 0 } ?? names[0]
        return rename(path, other) == 0 ? other : nil
    }

    /// Bytes from an offset to the end.
    ///
    /// - Throws: EINVAL for no regular file.
    static func read(_ file: borrowing Descriptor, from offset: Int = 0) throws(KernelError) -> [UInt8] {
        var facts = stat()
        guard fstat(file.number, &facts) == 0 else { throw KernelError(operation: "fstat", errno: errno) }
        guard facts.st_mode & S_IFMT == S_IFREG else {
            throw KernelError(operation: "read what is no regular file", errno: EINVAL)
        }
        var bytes = [UInt8](repeating: 0, count: max(0, Int(facts.st_size) - offset))
        var filled = 0
        while filled < bytes.count {
            let length = bytes[filled...].withUnsafeMutableBytes {
                pread(file.number, $0.baseAddress, $0.count, off_t(offset + filled))
            }
            if length == 0 { break }
            if length > 0 {
                filled += length
            } else if errno != EINTR {
                throw KernelError(operation: "pread", errno: errno)
            }
        }
        return Array(bytes[..<filled])
    }

    static func read(_ path: String) throws(KernelError) -> [UInt8] {
        let number = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard number >= 0 else { throw KernelError(operation: "open \(path)", errno: errno) }
        let file = Descriptor(owning: number)
        return try read(file)
    }
}
