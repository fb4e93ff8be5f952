import Glibc
import PoolModel
import SockArrayCore

/// Files that are complete after a crash. Every function may wait for the disk and, unless it says
/// otherwise, returns 0 or a positive errno.
enum DurableFile {
    /// The outcome of a change to a folder, with a positive errno.
    enum Outcome: Equatable {
        /// The change survives a crash.
        case settled
        /// The change is visible, but a crash may undo it.
        case unsettled(Int32)
        /// Nothing has changed.
        case refused(Int32)
    }

    /// Replaces the file atomically: a crash leaves the old or the new file, and after `.settled`, the new
    /// one.
    static func replace(_ path: String, with bytes: [UInt8]) -> Outcome {
        changeFolder(of: path) { exchange(path, for: bytes, mode: 0o640) }
    }

    /// Opens the folder before the change, so that a failure to open it changes nothing.
    private static func changeFolder(of path: String, _ change: () -> Int32) -> Outcome {
        let number = open(DirectoryPath.of(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard number >= 0 else { return .refused(errno) }
        let folder = Descriptor(owning: number)
        let error = change()
        guard error == 0 else { return .refused(error) }
        return fsync(folder.number) == 0 ? .settled : .unsettled(errno)
    }

    /// Replaces the file atomically: a crash leaves the old or the new file.
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

    /// Removes a file; a missing file counts as removed.
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

    /// Makes changes of names in the file's folder survive a crash.
    static func settleFolder(of path: String) -> Int32 {
        let number = open(DirectoryPath.of(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard number >= 0 else { return errno }
        let folder = Descriptor(owning: number)
        return fsync(folder.number) == 0 ? 0 : errno
    }

    /// Creates a folder with the folders above it, and checks that the agent can write there.
    static func makeFolder(_ path: String) -> Int32 {
        do { try Directory.make(path, mode: 0o750) } catch { return error.errno }
        return access(path, W_OK | X_OK) == 0 ? 0 : errno
    }

    /// Checks whether the folder can be created and written, without creating it.
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

    /// Reads at most this number of bytes at the end of a file.
    ///
    /// - Throws: EINVAL if it isn't a regular file.
    static func readEnd(
        of file: borrowing Descriptor, count: Int
    ) throws(KernelError) -> (bytes: [UInt8], size: Int) {
        var facts = stat()
        guard fstat(file.number, &facts) == 0 else { throw KernelError(operation: "fstat", errno: errno) }
        guard facts.st_mode & S_IFMT == S_IFREG else {
            throw KernelError(operation: "read a file that isn't regular", errno: EINVAL)
        }
        let size = Int(facts.st_size)
        var bytes = [UInt8](repeating: 0, count: min(size, count))
        let start = size - bytes.count
        var filled = 0
        while filled < bytes.count {
            let length = bytes[filled...].withUnsafeMutableBytes {
                pread(file.number, $0.baseAddress, $0.count, off_t(start + filled))
            }
            if length == 0 { break }
            if length > 0 {
                filled += length
            } else if errno != EINTR {
                throw KernelError(operation: "pread", errno: errno)
            }
        }
        return (Array(bytes[..<filled]), size)
    }

    static func read(_ file: borrowing Descriptor) throws(KernelError) -> [UInt8] {
        try readEnd(of: file, count: .max).bytes
    }

    static func read(_ path: String) throws(KernelError) -> [UInt8] {
        let number = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard number >= 0 else { throw KernelError(operation: "open \(path)", errno: errno) }
        let file = Descriptor(owning: number)
        return try read(file)
    }
}
