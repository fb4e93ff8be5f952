/// What the machine lets this process do, as far as it explains a refusal.
public struct ProcessLimits: Equatable, Sendable, Codable {
    /// The effective user is root, who may lack capabilities all the same: in a container.
    public var isRoot: Bool
    /// CAP_BPF, or CAP_SYS_ADMIN, which includes it, in the effective set.
    public var mayUseBPF: Bool
    /// CAP_PERFMON, or CAP_SYS_ADMIN: the verifier does not guard against speculation.
    public var isTrustedByVerifier: Bool
    /// Not the machine's own user namespace. Its capabilities do not count for bpf(2).
    public var isInUserNamespace: Bool
    /// /proc/self/status has `Seccomp: 2`.
    public var hasSeccompFilter: Bool
    /// What bpf(2) answers to a command that no kernel has: EINVAL where the call as such is let through.
    public var bpfAnswer: Int32
    /// /sys/kernel/security/lsm; empty where it can't be read.
    public var securityModules: [String]
    /// The lowest one of the process's control groups; nil: none has a limit.
    public var memory: MemoryLimit?
    /// Bytes that may be locked (RLIMIT_MEMLOCK), where maps count as such, or may; nil: not limited.
    public var lockedMemory: UInt64?
    /// They do count. False: not even the smallest map could be made to find out.
    public var countsLockedMemory: Bool

    public struct MemoryLimit: Equatable, Sendable, Codable {
        public var bytes: UInt64
        /// The file that sets it: `/sys/fs/cgroup/system.slice/x.service/memory.max`.
        public var file: String
        /// Bytes in use when it was asked; nil: not known.
        public var used: UInt64?

        public init(bytes: UInt64, file: String, used: UInt64? = nil) {
            (self.bytes, self.file, self.used) = (bytes, file, used)
        }
    }

    public init(
        isRoot: Bool = false, mayUseBPF: Bool = true, isTrustedByVerifier: Bool = true, isInUserNamespace: Bool = false,
        hasSeccompFilter: Bool = false, bpfAnswer: Int32 = KernelError.invalid, securityModules: [String] = [],
        memory: MemoryLimit? = nil, lockedMemory: UInt64? = nil, countsLockedMemory: Bool = true
    ) {
        self.isRoot = isRoot
        self.mayUseBPF = mayUseBPF
        self.isTrustedByVerifier = isTrustedByVerifier
        self.isInUserNamespace = isInUserNamespace
        self.hasSeccompFilter = hasSeccompFilter
        self.bpfAnswer = bpfAnswer
        self.securityModules = securityModules
        self.memory = memory
        self.lockedMemory = lockedMemory
        self.countsLockedMemory = countsLockedMemory
    }
}

/// A number of bytes for a reader: `24 MiB`, `10.5 MiB`, `64 KiB`.
enum ByteCount {
    static func text(_ bytes: UInt64) -> String {
        if bytes < 1 << 20 { return "\((bytes + 1_023) / 1_024) KiB" }
        let tenths = (bytes * 10 + (1 << 19)) >> 20
        return tenths % 10 == 0 ? "\(tenths / 10) MiB" : "\(tenths / 10).\(tenths % 10) MiB"
    }
}
