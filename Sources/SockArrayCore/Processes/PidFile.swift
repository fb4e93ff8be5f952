import Glibc

/// The file in which a collector writes its pid.
public struct PidFile {
    public let path: String

    public init(path: String) { self.path = path }

    public enum Problem: Error, Equatable {
        case absent
        case holdsNoPid
        /// The process has ended.
        case stale(Int32)
        /// The file can't be read; a positive errno.
        case unreadable(Int32)
    }

    /// The pid in the file's first word, if that process exists.
    public func livePid() throws(Problem) -> Int32 {
        let number = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard number >= 0 else { throw errno == ENOENT ? .absent : .unreadable(errno) }
        let file = Descriptor(owning: number)
        var bytes = [UInt8](repeating: 0, count: 64)
        let length = read(file.number, &bytes, bytes.count)
        guard length >= 0 else { throw .unreadable(errno) }
        let words = bytes[..<length].split { " \t\r\n".utf8.contains($0) }
        guard let word = words.first, let pid = Int32(String(decoding: word, as: UTF8.self)), pid > 0 else {
            throw .holdsNoPid
        }
        guard ProcessFacts.startTime(of: pid) != nil else { throw .stale(pid) }
        return pid
    }
}
