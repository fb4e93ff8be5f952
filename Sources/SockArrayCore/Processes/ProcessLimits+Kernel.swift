import CBPFShim
import Glibc
import PoolModel

extension ProcessLimits {
    /// Reads /proc and asks the kernel, at the time of the call. Changes nothing.
    ///
    /// - Parameter callsBPF: false: bpf(2) is not called, because a seccomp filter may kill the process.
    public static func current(callsBPF: Bool = true) -> ProcessLimits {
        func has(_ capability: rpa_capability) -> Bool { rpa_has_capability(Int32(capability.rawValue)) == 1 }
        let isAdministrator = has(RPA_CAP_SYS_ADMIN)
        let locked = callsBPF ? lockedMemory() : nil
        return ProcessLimits(
            isRoot: geteuid() == 0, mayUseBPF: has(RPA_CAP_BPF) || isAdministrator,
            isTrustedByVerifier: has(RPA_CAP_PERFMON) || isAdministrator, isInUserNamespace: isInUserNamespace,
            hasSeccompFilter: ProcessFacts.fields(of: "/proc/self/status")?["Seccomp"] == "2",
            bpfAnswer: callsBPF ? -rpa_bpf_answer() : KernelError.invalid,
            securityModules: lines(of: "/sys/kernel/security/lsm").first.map {
                $0.split(separator: ",").map(String.init)
            } ?? [], memory: MemoryLimit.ofControlGroups(), lockedMemory: locked?.limit,
            countsLockedMemory: locked?.isCounted ?? true)
    }

    /// The initial user namespace maps all users to themselves: `0 0 4294967295`.
    private static var isInUserNamespace: Bool {
        let words = lines(of: "/proc/self/uid_map").first?.split(separator: " ") ?? []
        return words.isEmpty ? false : words != ["0", "0", "4294967295"]
    }

    /// Nil: no limit, or maps do not count.
    private static func lockedMemory() -> (limit: UInt64, isCounted: Bool)? {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(__RLIMIT_MEMLOCK.rawValue), &limit)
        guard limit.rlim_cur != rlim_t.max else { return nil }
        switch rpa_counts_locked_memory() {
        case 1: return (UInt64(limit.rlim_cur), true)
        // Even without a lower limit, the map was refused.
        case -KernelError.notPermitted: return (UInt64(limit.rlim_cur), false)
        default: return nil
        }
    }

    fileprivate static func lines(of file: String) -> [Substring] {
        SmallFile.read(file)?.split(separator: "\n") ?? []
    }
}

extension ProcessLimits.MemoryLimit {
    /// The lowest limit of the process's control groups and those above them, of cgroup
    /// version 2 (memory.max) or 1 (memory.limit_in_bytes); see cgroups(7).
    static func ofControlGroups() -> Self? {
        let mounts = ProcessLimits.lines(of: "/proc/self/mountinfo").compactMap(Mount.init)
        let places = ProcessLimits.lines(of: "/proc/self/cgroup").compactMap { line -> (Mount, Substring, String)? in
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { return nil }
            let isSecond = fields[1].isEmpty
            guard isSecond || fields[1].split(separator: ",").contains("memory") else { return nil }
            let mount = mounts.first { $0.holds(isSecond ? nil : "memory") }
            return mount.map { ($0, fields[2], isSecond ? "memory.max" : "memory.limit_in_bytes") }
        }
        return places.flatMap { limits(at: $1, in: $0, named: $2) }.min { $0.bytes < $1.bytes }
    }

    /// The usage of the control group that the limit file belongs to.
    private static func usage(beside file: String) -> UInt64? {
        let isSecond = file.hasSuffix("memory.max")
        let folder = file[..<(file.lastIndex(of: "/") ?? file.endIndex)]
        let text = SmallFile.read("\(folder)/\(isSecond ? "memory.current" : "memory.usage_in_bytes")")
        return text?.split(whereSeparator: \.isWhitespace).first.flatMap { UInt64($0) }
    }

    /// Bytes in use.
    public func currentUsage() -> UInt64? { Self.usage(beside: file) }

    private static func limits(at path: Substring, in mount: Mount, named name: String) -> [Self] {
        var parts = mount.partsBelow(path)
        var found: [Self] = []
        while true {
            let file = ([mount.point] + parts + [name]).joined(separator: "/")
            if let text = SmallFile.read(file)?.split(whereSeparator: \.isWhitespace).first, let bytes = UInt64(text),
                bytes < 1 << 62
            {
                found.append(Self(bytes: bytes, file: file, used: usage(beside: file)))
            }
            guard !parts.isEmpty else { return found }
            parts.removeLast()
        }
    }

    /// A mounted cgroup hierarchy.
    private struct Mount {
        /// The cgroup at the top of the mount.
        let root: Substring
        let point: String
        private let type: Substring
        private let options: [Substring]

        /// A line of /proc/PID/mountinfo, proc_pid_mountinfo(5).
        init?(_ line: Substring) {
            let words = line.split(separator: " ")
            guard let dash = words.firstIndex(of: "-"), words.count > dash + 3, dash >= 6 else { return nil }
            (root, point, type) = (words[3], String(words[4]), words[dash + 1])
            options = words[dash + 3].split(separator: ",")
            guard type.hasPrefix("cgroup") else { return nil }
        }

        /// - Parameter controller: a controller of version 1; nil: the hierarchy of version 2.
        func holds(_ controller: Substring?) -> Bool {
            controller.map { type == "cgroup" && options.contains($0) } ?? (type == "cgroup2")
        }

        func partsBelow(_ path: Substring) -> [String] {
            let below = root == "/" ? path : path.hasPrefix(root) ? path.dropFirst(root.count) : ""
            return below.split(separator: "/").map(String.init)
        }
    }
}

/// A file of /proc or /sys.
enum SmallFile {
    /// Nil if it can't be read. The text ends at the limit.
    static func read(_ path: String, limit: Int = 256 << 10) -> String? {
        let number = open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { return nil }
        let file = Descriptor(owning: number)
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 4_096)
        while bytes.count < limit {
            let length = Glibc.read(file.number, &part, part.count)
            guard length > 0 else { break }
            bytes += part[..<length]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
