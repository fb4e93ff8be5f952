import Glibc
import PoolModel

/// Searches /proc for collectors that have not registered. It reads only what decides:
/// first a process's user (a stat of its folder), then its command line, or its control
/// groups if a collector is recognized by them.
public struct ProcessTable: ~Copyable {
    private let folder: Descriptor
    private var buffer = [UInt8](repeating: 0, count: Self.lengthLimit)

    /// Bytes of a command line or a list of control groups that are read; the rest is ignored.
    static let lengthLimit = 32_768

    /// - Throws: if /proc can't be opened.
    public init() throws(KernelError) {
        let number = systemCall(open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC))
        folder = Descriptor(owning: try kernel("open /proc", number))
    }

    /// - Parameters:
    ///   - recognitions: how to recognize each collector.
    ///   - socketUsers: the users of the sockets in the pool's groups (sock_diag).
    ///     Only their processes are examined, unless a recognition names the user or the
    ///     process. For a unit, if none of its processes has such a user, any process
    ///     matches: a collector may have bound its sockets as another user.
    ///   - ofAllUsers: a command without a user matches processes of any user: a collector may
    ///     have changed its user after it bound its sockets (nfcapd -u). Reads every command line.
    public mutating func processes(
        for recognitions: [String: Recognition], socketUsers: Set<UInt32>, ofAllUsers: Bool = false
    ) -> RecognizedProcesses {
        var found: [Int32: Set<String>] = [:]
        for case (let name, .pidFile(let path)) in recognitions {
            if let pid = try? PidFile(path: path).livePid() { found[pid, default: []].insert(name) }
        }
        let sought = recognitions.filter { if case .pidFile = $0.value { false } else { true } }
        if !sought.isEmpty {
            let all = processes()
            note(sought, among: all, &found) { socketUsers.contains($0) }
            let seen = Set(found.values.joined())
            let missing = sought.filter { name, recognition in
                switch recognition {
                case .unit: !seen.contains(name)
                // Also beside a match: a wrapper of the sockets' user may have the same words.
                case .command(_, user: nil): ofAllUsers
                case .command, .user, .pidFile: false
                }
            }
            if !missing.isEmpty { note(missing, among: all, &found) { !socketUsers.contains($0) } }
        }
        // Without zombies: processes that have ended and whose parents have not reaped them.
        let living = found.filter { ProcessFacts.startTime(of: $0.key) != nil }
        return RecognizedProcesses(living, parent: ProcessFacts.parent)
    }

    private mutating func note(
        _ recognitions: [String: Recognition], among all: [UInt32: [Int32]],
        _ found: inout [Int32: Set<String>], ofUser isWanted: (UInt32) -> Bool
    ) {
        for (user, pids) in all {
            let possible = recognitions.filter { $0.value.mayBe(ofUser: user) ?? isWanted(user) }
            guard !possible.isEmpty else { continue }
            let needsCommandLine = possible.values.contains(where: \.needsCommandLine)
            let needsControlGroups = possible.values.contains(where: \.needsControlGroups)
            for pid in pids {
                let process = ProcessDescription(
                    pid: pid, user: user, commandLine: needsCommandLine ? commandLine(of: pid) : [],
                    cgroups: needsControlGroups ? controlGroups(of: pid) : [])
                for (name, recognition) in possible where recognition.matches(process) {
                    found[pid, default: []].insert(name)
                }
            }
        }
    }

    /// All processes but this one, by effective user.
    private func processes() -> [UInt32: [Int32]] {
        let copy = openat(folder.number, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0, let stream = fdopendir(copy) else { return [:] }
        defer { closedir(stream) }
        let own = ownNumber
        var processes: [UInt32: [Int32]] = [:]
        while let entry = readdir(stream) {
            let pid = withUnsafeBytes(of: &entry.pointee.d_name) { Self.number($0) }
            guard let pid, pid != own else { continue }
            var facts = stat()
            guard fstatat(folder.number, "\(pid)", &facts, 0) == 0 else { continue }
            processes[facts.st_uid, default: []].append(pid)
        }
        return processes
    }

    /// This process's pid in /proc, which differs from getpid's if a container has its host's
    /// /proc. Nil: this process isn't in the PID namespace of /proc.
    private var ownNumber: Int32? {
        var text = [UInt8](repeating: 0, count: 16)
        let length = text.withUnsafeMutableBytes {
            readlinkat(
                folder.number, "self", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count - 1)
        }
        return length > 0 ? text.withUnsafeBytes { Self.number($0) } : nil
    }

    /// Arguments that a process has overwritten can end in any number of zeros.
    private mutating func commandLine(of pid: Int32) -> [String] {
        let bytes = read("\(pid)/cmdline")
        guard let last = bytes.lastIndex(where: { $0 != 0 }) else { return [] }
        return bytes[...last].split(separator: 0, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
    }

    /// The last field of `4:memory:/system.slice` and `0::/system.slice`.
    private mutating func controlGroups(of pid: Int32) -> [String] {
        read("\(pid)/cgroup").split(separator: UInt8(ascii: "\n")).compactMap { line in
            let fields = line.split(separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
            return fields.count == 3 ? String(decoding: fields[2], as: UTF8.self) : nil
        }
    }

    /// Nothing for a process that has ended.
    private mutating func read(_ path: String) -> ArraySlice<UInt8> {
        let number = openat(folder.number, path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { return [] }
        let file = Descriptor(owning: number)
        var filled = 0
        while filled < buffer.count {
            let length = buffer[filled...].withUnsafeMutableBytes { Glibc.read(file.number, $0.baseAddress, $0.count) }
            guard length > 0 else { break }
            filled += length
        }
        return buffer[..<filled]
    }

    private static func number(_ name: UnsafeRawBufferPointer) -> Int32? {
        var number: Int32 = 0
        for byte in name {
            if byte == 0 { break }
            guard (0x30...0x39).contains(byte) else { return nil }
            number = number &* 10 &+ Int32(byte - 0x30)
        }
        return number > 0 ? number : nil
    }
}

extension Recognition {
    /// Nil: the recognition names no user.
    fileprivate func mayBe(ofUser user: UInt32) -> Bool? {
        switch self {
        case .user(let wanted), .command(_, user: let wanted?): wanted == user
        case .unit, .command, .pidFile: nil
        }
    }

    fileprivate var needsCommandLine: Bool { if case .command = self { true } else { false } }
    fileprivate var needsControlGroups: Bool { if case .unit = self { true } else { false } }
}
