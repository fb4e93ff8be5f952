/// The process's permissions and limits that can explain a refusal.
public struct ProcessLimits: Equatable, Sendable, Codable {
    /// The effective user is root, which may lack capabilities: in a container.
    public var isRoot: Bool
    /// CAP_BPF, or CAP_SYS_ADMIN, which includes it, in the effective set.
    public var mayUseBPF: Bool
    /// CAP_PERFMON, or CAP_SYS_ADMIN: the verifier does not guard against speculation.
    public var isTrustedByVerifier: Bool
    /// The process isn't in the initial user namespace: its capabilities do not count for bpf(2).
    public var isInUserNamespace: Bool
    /// /proc/self/status has `Seccomp: 2`.
    public var hasSeccompFilter: Bool
    /// The error of bpf(2) for an unknown command: EINVAL if the call as such is allowed.
    public var bpfAnswer: Int32
    /// /sys/kernel/security/lsm; empty if it can't be read.
    public var securityModules: [String]
    /// The lowest limit of the process's control groups; nil: no limit.
    public var memory: MemoryLimit?
    /// Limit of locked memory in bytes (RLIMIT_MEMLOCK), if maps count or may count; nil: no limit.
    public var lockedMemory: UInt64?
    /// Maps count as locked memory. False: unknown, because not even the smallest map could be made.
    public var countsLockedMemory: Bool

    public struct MemoryLimit: Equatable, Sendable, Codable {
        public var bytes: UInt64
        /// The file that sets it: `/sys/fs/cgroup/system.slice/x.service/memory.max`.
        public var file: String
        /// Bytes in use when the limit was read; nil: unknown.
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

/// A number of bytes as text: `24 MiB`, `10.5 MiB`, `64 KiB`.
package enum ByteCount {
    package static func text(_ bytes: UInt64) -> String {
        if bytes < 1 << 20 { return "\((bytes + 1_023) / 1_024) KiB" }
        let tenths = (bytes * 10 + (1 << 19)) >> 20
        return tenths % 10 == 0 ? "\(tenths / 10) MiB" : "\(tenths / 10).\(tenths % 10) MiB"
    }
}
