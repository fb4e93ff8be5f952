/// A mount of a process's mount namespace: a line of /proc/PID/mountinfo (proc_pid_mountinfo(5)).
public struct MountEntry: Equatable, Sendable {
    /// The mount's own number: no two mounts of all namespaces have the same one at a time.
    public var id: Int
    /// `MAJOR:MINOR` of the file system (st_dev): all mounts of one file system have the same.
    public var device: String
    public var point: String
    /// `bpf`.
    public var type: String
    /// The first argument of mount(2), which bpffs ignores.
    public var source: String
    /// Mounts below it propagate to other namespaces.
    public var isShared: Bool

    public init(id: Int, device: String, point: String, type: String, source: String, isShared: Bool = false) {
        (self.id, self.device, self.point, self.type) = (id, device, point, type)
        (self.source, self.isShared) = (source, isShared)
    }

    /// Nil: the line has another form.
    public init?(_ line: Substring) {
        let words = line.split(separator: " ")
        guard let dash = words.firstIndex(of: "-"), dash >= 6, words.count > dash + 2, let id = Int(words[0]) else {
            return nil
        }
        self.init(
            id: id, device: String(words[2]), point: Self.unescaped(words[4]), type: String(words[dash + 1]),
            source: Self.unescaped(words[dash + 2]), isShared: words[6..<dash].contains { $0.hasPrefix("shared:") })
    }

    /// All mounts, in the order of the text.
    public static func all(in text: String) -> [MountEntry] {
        text.split(separator: "\n").compactMap(MountEntry.init)
    }

    public var isBPFFS: Bool { type == "bpf" }

    /// The path is at the mount point or below it.
    public func covers(_ path: String) -> Bool {
        point == "/" || path == point || path.hasPrefix(point + "/")
    }

    /// The kernel writes a blank as `\040`.
    private static func unescaped(_ word: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(word.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3, digits.allSatisfy({ (0x30...0x37).contains($0) }) {
                bytes.append(UInt8(truncatingIfNeeded: digits.reduce(0) { $0 * 8 + Int($1 - 0x30) }))
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
