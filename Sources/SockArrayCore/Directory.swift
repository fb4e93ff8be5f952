import Glibc
import PoolModel

/// Folders of any file system.
package enum Directory {
    /// Makes the folder and its missing parents. A read-only file system is an
    /// error only if the folder is missing there.
    package static func make(_ path: String, mode: UInt32) throws(KernelError) {
        var made = ""
        for part in path.split(separator: "/") {
            made += "/\(part)"
            let result = systemCall(mkdir(made, mode))
            if result != -KernelError.exists, access(made, F_OK) != 0 { try kernel("mkdir \(made)", result) }
        }
    }

    /// The path, and those of the folders above it, up to the root.
    static func upward(from path: String) -> [String] {
        let parts = path.split(separator: "/")
        return (0...parts.count).map { "/" + parts.dropLast($0).joined(separator: "/") }
    }

    /// The folder, locked for this process alone until it is closed (flock(2)).
    ///
    /// - Throws: EWOULDBLOCK: another process holds the lock.
    package static func lock(_ path: String) throws(KernelError) -> Descriptor {
        let number = systemCall(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
        let folder = Descriptor(owning: try kernel("flock \(path)", number))
        try kernel("flock \(path)", systemCall(flock(folder.number, LOCK_EX | LOCK_NB)))
        return folder
    }

    /// Names in the folder, in order; none if it can't be read.
    package static func names(in path: String) -> [String] {
        (try? entries(of: path)) ?? []
    }

    /// As `names`, but a folder that exists and can't be opened is an error.
    static func entries(of path: String) throws(KernelError) -> [String] {
        guard let folder = opendir(path) else {
            if errno == ENOENT { return [] }
            throw KernelError(operation: "opendir \(path)", errno: errno)
        }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// The target of a symbolic link; nil if there is no such link.
    package static func target(ofLink path: String) -> String? {
        var target = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let length = target.withUnsafeMutableBytes {
            readlink(path, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
        }
        return length > 0 ? String(decoding: target[..<length], as: UTF8.self) : nil
    }
}
