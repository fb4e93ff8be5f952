/// Why the kernel refused a call of the agent, in its own words, and the remedy that fits.
///
/// It judges by what the process may do (`ProcessLimits`), never by the kernel's version.
/// Sources: bpf(2), capabilities(7), user_namespaces(7), seccomp(2), getrlimit(2), sock_diag(7).
public struct Refusal: Equatable, Sendable {
    /// What was refused and why: `bpf_map_create slots was refused: CAP_BPF is missing`.
    public let cause: String
    public let remedy: String

    /// A call of bpf(2).
    ///
    /// - Parameter memoryNeed: bytes that the agent needs with its configuration, about; nil: not known.
    public static func ofBPF(_ error: KernelError, _ limits: ProcessLimits, memoryNeed: UInt64? = nil) -> Refusal {
        switch error.errno {
        case KernelError.noMemory: ofMemory("\(error.operation) found no memory", limits, memoryNeed)
        case KernelError.notPermitted, KernelError.accessDenied, KernelError.noSystemCall:
            ofPermission(error, limits)
        case KernelError.invalid where error.operation.hasPrefix("bpf_map_create"):
            Refusal(
                cause: "\(error.operation) was refused: the kernel does not know such a map",
                remedy: "boot a newer kernel, with CONFIG_BPF_SYSCALL and CONFIG_INET")
        default:
            Refusal(cause: "\(error.operation) was refused", remedy: "see: reuseport-agent check --config FILE")
        }
    }

    /// A program that the kernel did not load.
    ///
    /// - Parameter log: the verifier's; empty where it was not asked.
    public static func ofProgram(
        _ error: KernelError, log: String, _ limits: ProcessLimits, memoryNeed: UInt64? = nil
    ) -> Refusal {
        if error.errno == KernelError.noMemory { return ofBPF(error, limits, memoryNeed: memoryNeed) }
        let lines = verdict(of: log).map { "\"\($0)\"" }.joined(separator: ", ")
        guard !lines.isEmpty else {
            return error.errno == KernelError.invalid
                ? Refusal(
                    cause: "\(error.operation) was refused: the kernel does not know such a program",
                    remedy: "boot a kernel with CONFIG_BPF_SYSCALL and CONFIG_INET")
                : ofBPF(error, limits, memoryNeed: memoryNeed)
        }
        let report = "report the verifier's lines with the output of uname -r as a fault of the agent"
        return Refusal(
            cause: "\(error.operation) was refused by the kernel's verifier: \(lines)",
            remedy: limits.isTrustedByVerifier
                ? report
                : "give the agent CAP_PERFMON beside CAP_BPF (AmbientCapabilities= and CapabilityBoundingSet= of its "
                    + "unit), because the verifier is stricter without it; and \(report)")
    }

    /// The process that tried it was killed, or ended early.
    ///
    /// - Parameter signal: or minus an exit code.
    /// - Parameter what: what it was about to do: `make the maps`.
    public static func ofKill(
        _ signal: Int32, while what: String, _ limits: ProcessLimits, memoryNeed: UInt64? = nil
    ) -> Refusal {
        switch signal {
        case 9: ofMemory("the kernel killed the attempt to \(what) (SIGKILL)", limits, memoryNeed)
        case 31:
            Refusal(
                cause: "a seccomp filter killed the attempt to \(what) (SIGSYS)", remedy: seccompRemedy)
        default:
            Refusal(
                cause: "the attempt to \(what) ended with \(signal > 0 ? "signal \(signal)" : "code \(-signal)")",
                remedy: "report it as a fault of the agent")
        }
    }

    /// sock_diag(7), by which the agent lists sockets and learns which ones close.
    public static func ofSocketDiag(_ error: KernelError, _ limits: ProcessLimits) -> Refusal {
        let cause = "\(error.operation) was refused"
        switch error.errno {
        case KernelError.noFamily:
            return Refusal(
                cause: cause + ": the process may not open netlink sockets",
                remedy: "let it use them: RestrictAddressFamilies= of its unit needs AF_NETLINK")
        case KernelError.notPermitted, KernelError.accessDenied, KernelError.noSystemCall:
            return limits.hasSeccompFilter
                ? Refusal(
                    cause: cause + ": a seccomp filter is in force",
                    remedy: "let it pass socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG)")
                : ofSecurityModule(cause, limits)
        case KernelError.noProtocol, KernelError.noEntry:
            return Refusal(
                cause: cause + ": the kernel has no sock_diag for it, or could not load its module",
                remedy: "load it as root on the host: modprobe -a inet_diag tcp_diag udp_diag")
        default:
            return Refusal(cause: cause, remedy: "see: reuseport-agent check --config FILE")
        }
    }

    /// socket(2) and bind(2) of a group's protocol and address.
    public static func ofGroupSocket(_ error: KernelError, _ limits: ProcessLimits) -> Refusal {
        let cause = "\(error.operation) was refused"
        switch error.errno {
        case KernelError.noFamily:
            return Refusal(
                cause: cause + ": sockets of this address family can't be made",
                remedy:
                    "enable it, IPv6 for instance, or add AF_INET and AF_INET6 to RestrictAddressFamilies= of the unit")
        case KernelError.notPermitted, KernelError.accessDenied:
            return limits.hasSeccompFilter
                ? Refusal(
                    cause: cause + ": a seccomp filter is in force", remedy: "let it pass socket, bind and listen")
                : ofSecurityModule(cause, limits)
        default:
            return Refusal(cause: cause, remedy: "check the group's address in the configuration")
        }
    }

    /// pidfd_getfd(2), by which the sockets of another process are borrowed.
    public static func ofBorrowing(_ error: KernelError, _ limits: ProcessLimits) -> Refusal {
        limits.hasSeccompFilter
            ? Refusal(
                cause: "\(error.operation) was refused: a seccomp filter is in force",
                remedy: "let it pass pidfd_open and pidfd_getfd, or let collectors use register --fd")
            : Refusal(cause: "\(error.operation) was refused", remedy: "let collectors use register --fd")
    }

    // MARK: - Parts

    private static let seccompRemedy =
        "let the filter pass bpf(2): SystemCallFilter=@system-service bpf pidfd_getfd in a systemd unit, or a seccomp "
        + "profile of the container's runtime that allows bpf"

    private static func ofPermission(_ error: KernelError, _ limits: ProcessLimits) -> Refusal {
        let cause = "\(error.operation) was refused"
        if limits.isInUserNamespace {
            return Refusal(
                cause: cause + ": the process is in a user namespace, whose capabilities do not count for bpf(2)",
                remedy: "run the agent in the host's user namespace (no PrivateUsers= in its unit; no rootless or "
                    + "userns-remapped container)")
        }
        if !limits.mayUseBPF {
            return Refusal(
                cause: cause + ": CAP_BPF is missing" + (limits.isRoot ? ", which this root does not have" : ""),
                remedy: limits.isRoot
                    ? "add it: --cap-add=BPF of the container, or CapabilityBoundingSet= of the unit"
                    : "give it CAP_BPF (AmbientCapabilities= and CapabilityBoundingSet= of its unit), or run it as root"
            )
        }
        if limits.bpfAnswer != KernelError.invalid {
            return limits.hasSeccompFilter
                ? Refusal(
                    cause: cause + ", and so is each call of bpf(2): a seccomp filter is in force",
                    remedy: seccompRemedy)
                : error.errno == KernelError.noSystemCall
                    ? Refusal(
                        cause: cause + ": the kernel has no bpf(2)",
                        remedy: "boot a kernel with CONFIG_BPF_SYSCALL and CONFIG_INET")
                    : ofSecurityModule(cause, limits)
        }
        if let locked = limits.lockedMemory, error.errno == KernelError.notPermitted, !limits.countsLockedMemory {
            return Refusal(
                cause: cause + ": if this kernel counts maps as locked memory, its limit of \(ByteCount.text(locked)) "
                    + "is used up; else a security module forbids it",
                remedy:
                    "raise the limit first (LimitMEMLOCK=infinity in its unit, or ulimit -l unlimited as root), then "
                    + "look for a denial in the kernel's log (journalctl -k)")
        }
        if let locked = limits.lockedMemory, error.errno == KernelError.notPermitted {
            return Refusal(
                cause: cause
                    + ": this kernel counts maps as locked memory, of which \(ByteCount.text(locked)) are allowed",
                remedy: "raise the limit: LimitMEMLOCK=infinity in its unit, or ulimit -l unlimited as root")
        }
        return ofSecurityModule(cause, limits)
    }

    private static func ofSecurityModule(_ cause: String, _ limits: ProcessLimits) -> Refusal {
        let names =
            limits.securityModules.isEmpty ? "" : " (in force: \(limits.securityModules.joined(separator: ", ")))"
        return Refusal(
            cause: cause + ": a security module may forbid it\(names)",
            remedy: "look for its denial in the kernel's log (journalctl -k), and allow the agent what it names")
    }

    private static func ofMemory(_ cause: String, _ limits: ProcessLimits, _ need: UInt64?) -> Refusal {
        let about = need.map { ", to \(ByteCount.text(roundedUp($0))) or more" } ?? ""
        guard let memory = limits.memory else {
            return Refusal(
                cause: cause + ": the machine is short of memory",
                remedy: "free memory, or track fewer exporters (tracking: {size: N})")
        }
        let limit = ": the limit of its control group is \(ByteCount.text(memory.bytes)) (\(memory.file))"
        if let need, roundedUp(need) <= memory.bytes {
            let used = memory.used.map { ", of which \(ByteCount.text($0)) are used" } ?? ""
            return Refusal(
                cause: cause + limit + used,
                remedy:
                    "the agent needs \(ByteCount.text(roundedUp(need))) of it: find out what else is in that control "
                    + "group, pins of other pools included, or raise the limit")
        }
        return Refusal(
            cause: cause + limit,
            remedy: "raise it\(about) (MemoryMax= of the unit, or the container's memory limit), or track fewer "
                + "exporters (tracking: {size: N})")
    }

    /// To the next 8 MiB.
    private static func roundedUp(_ bytes: UInt64) -> UInt64 { ((bytes + (8 << 20) - 1) >> 23) << 23 }

    /// The verifier's last lines but its statistics: the instruction and its complaint.
    package static func verdict(of log: String, lines count: Int = 2) -> [String] {
        let statistics = ["processed ", "verification time ", "stack depth ", "max_states_per_insn "]
        let lines = log.split(separator: "\n").filter { line in !statistics.contains { line.hasPrefix($0) } }
        return lines.suffix(count).map { String(trimmed($0)) }
    }

    private static func trimmed(_ line: Substring) -> Substring {
        let start = line.drop { $0 == " " || $0 == "\t" }
        return start.prefix(200)
    }
}
