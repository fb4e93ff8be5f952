import PoolModel
import SockArrayCore
import Testing

/// The explanation of a refusal, by the process's privileges. Verifier logs come from Debian's kernels.
@Suite struct RefusalTests {
    private static func error(_ errno: Int32, _ operation: String = "bpf_map_create slots") -> KernelError {
        KernelError(operation: operation, errno: errno)
    }

    @Test func `EPERM of bpf(2) is explained by the first thing that is missing`() {
        func cause(_ limits: ProcessLimits) -> String { Refusal.ofBPF(Self.error(1), limits).cause }
        #expect(cause(ProcessLimits(mayUseBPF: false)).hasSuffix("was refused: CAP_BPF is missing"))
        // Root is not advised to become root.
        let root = Refusal.ofBPF(Self.error(1), ProcessLimits(isRoot: true, mayUseBPF: false))
        #expect(root.cause.hasSuffix("CAP_BPF is missing, which this root does not have"))
        #expect(root.remedy == "add it: --cap-add=BPF of the container, or CapabilityBoundingSet= of the unit")
        // In a user namespace CAP_BPF seems to be there.
        #expect(cause(ProcessLimits(isInUserNamespace: true)).contains("do not count for bpf(2)"))
        #expect(cause(ProcessLimits(hasSeccompFilter: true, bpfAnswer: 1)).hasSuffix("a seccomp filter is in force"))
        // A filter that lets bpf(2) pass is not to blame: the shipped unit has one.
        #expect(cause(ProcessLimits(hasSeccompFilter: true)).contains("a security module may forbid it"))
        #expect(cause(ProcessLimits(lockedMemory: 65_536)).contains("locked memory, of which 64 KiB are allowed"))
        let unknown = ProcessLimits(lockedMemory: 65_536, countsLockedMemory: false)
        #expect(cause(unknown).contains("if this kernel counts maps as locked memory, its limit of 64 KiB is used up"))
        #expect(
            cause(ProcessLimits(securityModules: ["lockdown", "selinux"])).contains("(in force: lockdown, selinux)"))
        #expect(cause(ProcessLimits(bpfAnswer: 1)).contains("a security module may forbid it"))
    }

    @Test func `ENOSYS means a filter, or a kernel without bpf(2)`() {
        func text(_ limits: ProcessLimits) -> Refusal { Refusal.ofBPF(Self.error(38), limits) }
        #expect(text(ProcessLimits(hasSeccompFilter: true, bpfAnswer: 38)).cause.contains("seccomp filter"))
        #expect(text(ProcessLimits(bpfAnswer: 38)).cause.hasSuffix("the kernel has no bpf(2)"))
        #expect(text(ProcessLimits(bpfAnswer: 38)).remedy.contains("CONFIG_BPF_SYSCALL"))
    }

    @Test func `a lack of memory names the limit and a sufficient one, rounded up to 8 MiB`() {
        let limit = ProcessLimits.MemoryLimit(bytes: 24 << 20, file: "/sys/fs/cgroup/x/memory.max")
        let limits = ProcessLimits(memory: limit)
        let refused = Refusal.ofBPF(Self.error(12), limits, memoryNeed: 41 << 20)
        #expect(refused.cause.hasSuffix("the limit of its control group is 24 MiB (/sys/fs/cgroup/x/memory.max)"))
        #expect(refused.remedy.hasPrefix("raise it, to 48 MiB or more"))
        let killed = Refusal.ofKill(9, while: "make the maps", limits, memoryNeed: 48 << 20)
        #expect(killed.cause.hasPrefix("the kernel killed the attempt to make the maps (SIGKILL): the limit of"))
        #expect(killed.remedy.hasPrefix("raise it, to 48 MiB or more"))
        #expect(Refusal.ofBPF(Self.error(12), ProcessLimits()).cause.hasSuffix("the machine is short of memory"))
        // A limit that is high enough is not advised to be lowered.
        let full = ProcessLimits(memory: .init(bytes: 64 << 20, file: "/x/memory.max", used: 63 << 20))
        let other = Refusal.ofBPF(Self.error(12), full, memoryNeed: 41 << 20)
        #expect(other.cause.hasSuffix("is 64 MiB (/x/memory.max), of which 63 MiB are used"))
        #expect(other.remedy.hasPrefix("the agent needs 48 MiB of it: find out what else is in that control group"))
        // A log that ends for want of memory is no verdict.
        let program = KernelError(operation: "bpf_prog_load dispatch", errno: 12)
        #expect(Refusal.ofProgram(program, log: "0: (bf) r6 = r1\n", limits).cause.contains("found no memory"))
    }

    @Test(arguments: [
        // Linux 5.10, 6.1 and 6.12 with the program of 582f1fa and CAP_BPF alone.
        (
            "126: (79) r1 = *(u64 *)(r3 +8)\nR3 invalid mem access 'inv'\nprocessed 745 insns (limit 1000000) max_states_per_insn 4\n",
            "\"126: (79) r1 = *(u64 *)(r3 +8)\", \"R3 invalid mem access 'inv'\""
        ),
        (
            "; if (count)\nThe sequence of 8193 jumps is too complex.\nverification time 9 usec\nstack depth 64+0\nprocessed 9 insns\n",
            "\"; if (count)\", \"The sequence of 8193 jumps is too complex.\""
        ),
        ("R9 invalid mem access 'scalar'", "\"R9 invalid mem access 'scalar'\""),
    ])
    func `the verifier's last lines are quoted, without its statistics`(log: String, quoted: String) {
        let refused = KernelError(operation: "bpf_prog_load select_collector", errno: 13)
        let unit = Refusal.ofProgram(refused, log: log, ProcessLimits(isTrustedByVerifier: false))
        #expect(unit.cause == "bpf_prog_load select_collector was refused by the kernel's verifier: \(quoted)")
        #expect(unit.remedy.contains("CAP_PERFMON beside CAP_BPF"))
        let root = Refusal.ofProgram(refused, log: log, ProcessLimits())
        #expect(root.cause == unit.cause)
        #expect(root.remedy == "report the verifier's lines with the output of uname -r as a fault of the agent")
    }

    @Test func `a program that didn't reach the verifier is refused like any call of bpf(2)`() {
        let refused = KernelError(operation: "bpf_prog_load dispatch", errno: 1)
        #expect(
            Refusal.ofProgram(refused, log: "", ProcessLimits(mayUseBPF: false)).cause
                == "bpf_prog_load dispatch was refused: CAP_BPF is missing")
        let unknown = KernelError(operation: "bpf_prog_load dispatch", errno: 22)
        #expect(Refusal.ofProgram(unknown, log: "", ProcessLimits()).cause.hasSuffix("does not know such a program"))
    }

    @Test func `sock_diag: netlink sockets, a filter, or a module that is not loaded`() {
        func refusal(_ errno: Int32, _ limits: ProcessLimits = ProcessLimits()) -> Refusal {
            Refusal.ofSocketDiag(Self.error(errno, "sock_diag of udp port 4739"), limits)
        }
        #expect(refusal(97).remedy.contains("AF_NETLINK"))
        #expect(refusal(1, ProcessLimits(hasSeccompFilter: true)).cause.hasSuffix("a seccomp filter is in force"))
        #expect(refusal(1).cause.contains("a security module may forbid it"))
        for errno: Int32 in [2, 93] { #expect(refusal(errno).remedy.contains("modprobe -a inet_diag")) }
    }

    @Test func `no refusal guesses at the kernel's version`() {
        for errno: Int32 in [1, 2, 12, 13, 22, 38, 93, 95, 97] {
            for limits in [ProcessLimits(), ProcessLimits(mayUseBPF: false), ProcessLimits(hasSeccompFilter: true)] {
                for refusal in [
                    Refusal.ofBPF(Self.error(errno), limits), Refusal.ofSocketDiag(Self.error(errno), limits),
                    Refusal.ofGroupSocket(Self.error(errno), limits), Refusal.ofBorrowing(Self.error(errno), limits),
                    Refusal.ofProgram(Self.error(errno), log: "", limits), Refusal.ofKill(errno, while: "x", limits),
                ] {
                    #expect(!"\(refusal.cause) \(refusal.remedy)".contains(/[0-9]\.[0-9]/), "\(refusal)")
                }
            }
        }
    }
}
