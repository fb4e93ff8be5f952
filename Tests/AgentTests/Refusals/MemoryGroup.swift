import Glibc
import TelemetryLab

/// A control group with a memory limit, of cgroup version 1 or 2. Made in the machine's own
/// hierarchy, for a namespace has none of its own; removed with this object.
final class MemoryGroup: Sendable {
    private let path: String
    private let limitFile: String

    /// Outside of a sandbox, whose /proc does not know this process.
    ///
    /// - Throws: where this machine gives us none.
    init() throws {
        guard let place = Self.place else { throw LabError("no hierarchy of control groups has a memory limit") }
        path = "\(place.parent)/reuseport-agent-test-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        limitFile = "\(path)/\(place.file)"
        guard mkdir(path, 0o755) == 0, access(limitFile, W_OK) == 0 else {
            let error = errno
            rmdir(path)
            throw LabError("\(path) has no memory limit: errno \(error)")
        }
    }

    deinit {
        // The kernel frees what ended a moment ago.
        waitUntil(.seconds(5)) { rmdir(path) == 0 || errno == ENOENT }
    }

    func limit(toMebibytes count: Int) throws {
        try FileText.write("\(count << 20)\n", to: limitFile)
    }

    /// Runs a command in it: to be put before that.
    var launcher: [String] { ["sh", "-c", "echo $$ >\(path)/cgroup.procs && exec \"$@\"", "sh"] }

    /// Where it can be made: below this process's own of version 1, or at the top of version 2.
    private static var place: (parent: String, file: String)? {
        let mounts = (FileText.read("/proc/self/mountinfo") ?? "").split(separator: "\n").map {
            $0.split(separator: " ")
        }
        func point(_ type: Substring, _ option: Substring?) -> String? {
            mounts.first { words in
                guard let dash = words.firstIndex(of: "-"), words.count > dash + 3 else { return false }
                let options = words[dash + 3].split(separator: ",")
                return words[dash + 1] == type && option.map(options.contains) ?? true
            }.map { String($0[4]) }
        }
        if let top = point("cgroup", "memory") {
            let own =
                (FileText.read("/proc/self/cgroup") ?? "").split(separator: "\n")
                .map { $0.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false) }
                .first { $0.count == 3 && $0[1].split(separator: ",").contains("memory") }?[2] ?? "/"
            return (own == "/" ? top : top + own, "memory.limit_in_bytes")
        }
        return point("cgroup2", nil).map { ($0, "memory.max") }
    }
}
