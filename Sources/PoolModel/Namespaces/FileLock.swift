/// A lock by flock(2) that a process holds: a line of /proc/locks (proc_locks(5)).
public struct FileLock: Equatable, Sendable {
    /// In the PID namespace of that /proc.
    public var pid: Int32
    /// `MAJOR:MINOR` in decimal, as in mountinfo.
    public var device: String
    public var inode: UInt64

    public init(pid: Int32, device: String, inode: UInt64) {
        (self.pid, self.device, self.inode) = (pid, device, inode)
    }

    /// The locks in the text, without processes that wait for one.
    public static func all(in text: String) -> [FileLock] {
        text.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            guard words.count > 5, words[1] == "FLOCK", let pid = Int32(words[4]) else { return nil }
            let place = words[5].split(separator: ":")
            guard place.count == 3, let major = Int(place[0], radix: 16), let minor = Int(place[1], radix: 16),
                let inode = UInt64(place[2])
            else { return nil }
            return FileLock(pid: pid, device: "\(major):\(minor)", inode: inode)
        }
    }
}
