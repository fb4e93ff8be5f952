import CBPFShim
import Glibc
import PoolModel
import SockArrayCore
import TelemetryLab
import TestSupport
import Testing

@testable import TestProcesses

/// What `check` and `run` say where the kernel refuses the agent: the same cause and the same
/// remedy, which works when it is followed.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct RefusedStartTests {
    private static let launcher = CountedCollector.program

    /// How a machine or a container refuses, and the expected message.
    private struct Refusal: Sendable {
        var name: String
        /// Put before the agent's command.
        var launcher: [String]
        /// The item of `check`.
        var item: String
        var cause: String
        var remedy: String
    }

    private static func filter(_ call: RefusedCall, _ error: Int32) -> [String] {
        [launcher, "refuse", call.rawValue, "\(error)"]
    }

    private static let seccompRemedy = "let the filter pass bpf(2): SystemCallFilter=@system-service bpf pidfd_getfd"
    private static let refusals = [
        Refusal(
            name: "bpf(2) refused by seccomp", launcher: filter(.bpf, EPERM), item: "✗ maps",
            cause: "was refused, and so is each call of bpf(2): a seccomp filter is in force (EPERM)",
            remedy: seccompRemedy),
        Refusal(
            name: "bpf(2) unknown to seccomp", launcher: filter(.bpf, ENOSYS), item: "✗ maps",
            cause: "and so is each call of bpf(2): a seccomp filter is in force (ENOSYS)", remedy: seccompRemedy),
        Refusal(
            name: "killed by seccomp", launcher: filter(.bpf, 0), item: "✗ bpf(2)",
            cause: "a seccomp filter killed the attempt to call bpf(2) (SIGSYS)", remedy: seccompRemedy),
        Refusal(
            name: "a user namespace", launcher: ["unshare", "--user", "--map-root-user"], item: "✗ maps",
            cause: "the process is in a user namespace, whose capabilities do not count for bpf(2) (EPERM)",
            remedy: "run the agent in the host's user namespace"),
        Refusal(
            name: "no NETLINK_SOCK_DIAG", launcher: filter(.socketDiag, EPROTONOSUPPORT), item: "✗ sock_diag",
            cause: "the kernel has no sock_diag for it, or could not load its module (EPROTONOSUPPORT)",
            remedy: "modprobe -a inet_diag tcp_diag udp_diag"),
        Refusal(
            name: "NETLINK_SOCK_DIAG refused by seccomp", launcher: filter(.socketDiag, EPERM), item: "✗ sock_diag",
            cause: "a seccomp filter is in force (EPERM)",
            remedy: "let it pass socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG)"),
        Refusal(
            name: "no AF_NETLINK", launcher: filter(.netlink, EAFNOSUPPORT), item: "✗ sock_diag",
            cause: "the process may not open netlink sockets (EAFNOSUPPORT)",
            remedy: "RestrictAddressFamilies= of its unit needs AF_NETLINK"),
    ]

    @Test(arguments: refusals.indices) func `check and run name the same cause and remedy`(index: Int) async throws {
        try await Sandbox.run { sandbox in
            let refusal = Self.refusals[index]
            let file = try Self.configuration(in: sandbox)
            for command in ["check", "run"] {
                let result = try Self.command(
                    refusal.launcher + [AgentUnderTest.program, command, "--config", file], sandbox)
                let text = command == "check" ? result.output : result.errorOutput
                #expect(result.exitCode == 6, "\(refusal.name), \(command): \(text)")
                #expect(text.contains(refusal.cause), "\(refusal.name), \(command): \(text)")
                #expect(text.contains(refusal.remedy), "\(refusal.name), \(command): \(text)")
                #expect(!text.contains("Linux 5."), "\(refusal.name), \(command): \(text)")
                if command == "check" { #expect(text.contains(refusal.item), "\(refusal.name): \(text)") }
                if command == "check" { #expect(!text.contains("all is well"), "\(refusal.name): \(text)") }
            }
            // The remedy: without the refusal.
            try Self.expectAllWell([], file, sandbox)
        }
    }

    @Test(arguments: [("", 24), ("tracking: {size: 262144}", 60)])
    func `a refusal names the memory limit, and the limit that it advises is enough`(extra: String, limit: Int)
        async throws
    {
        let group = try MemoryGroup()
        try await Sandbox.run { sandbox in
            let file = try Self.configuration(in: sandbox, extra)
            try group.limit(toMebibytes: limit)
            var advised: Set<Substring> = []
            for command in ["check", "run"] {
                let result = try Self.command(
                    group.launcher + [AgentUnderTest.program, command, "--config", file], sandbox)
                let text = command == "check" ? result.output : result.errorOutput
                #expect(result.exitCode == 6, "\(command): \(text)")
                #expect(text.contains("the limit of its control group is \(limit) MiB ("), "\(command): \(text)")
                let amount = try #require(text.firstMatch(of: /raise it, to (\d+) MiB or more/), "\(command): \(text)")
                advised.insert(amount.1)
            }
            #expect(advised.count == 1, "\(advised)")
            try group.limit(toMebibytes: try #require(advised.first.flatMap { Int($0) }))
            try Self.expectAllWell(group.launcher, file, sandbox, extra)
        }
    }

    @Test(arguments: [true, false]) func `a refusal by the verifier quotes it`(isTrusted: Bool) async throws {
        try await Sandbox.run { sandbox in
            let file = try Self.configuration(in: sandbox)
            let library = sandbox.newPath("refused_program.so")
            let source = Checkout.root + "Tests/Preload/refused_program.c"
            let compiler = try CommandResult.of(
                "gcc", ["-shared", "-fPIC", "-o", library, source, "-ldl"], in: sandbox)
            try #require(compiler.exitCode == 0, "\(compiler.errorOutput)")
            // As root, and without CAP_PERFMON, which CAP_SYS_ADMIN includes.
            let launcher = isTrusted ? [] : ["setpriv", "--bounding-set", "-sys_admin,-perfmon"]
            for command in ["check", "run"] {
                let result = try Self.command(
                    launcher + ["env", "LD_PRELOAD=\(library)", AgentUnderTest.program, command, "--config", file],
                    sandbox)
                let text = command == "check" ? result.output : result.errorOutput
                #expect(result.exitCode == 6, "\(text)")
                #expect(
                    text.contains("bpf_prog_load select_collector was refused by the kernel's verifier: "), "\(text)")
                // The log is JSON where it is no terminal's.
                #expect(text.replacing("\\\"", with: "\"").contains("\"R9 !read_ok\" (EACCES)"), "\(text)")
                #expect(text.contains("give the agent CAP_PERFMON beside CAP_BPF") == !isTrusted, "\(text)")
                #expect(text.contains("report the verifier's lines"), "\(text)")
            }
            try Self.expectAllWell(launcher, file, sandbox)
        }
    }

    /// Before Linux 5.11 maps count as locked memory of their user; later, as a control group's.
    @Test func `a limit of locked memory is named where the kernel counts maps as such`() async throws {
        let isCounted = rpa_counts_locked_memory() == 1
        try await Sandbox.run { sandbox in
            let file = try Self.configuration(in: sandbox)
            // Without CAP_SYS_RESOURCE, with which libbpf raises the limit by itself.
            let launcher = ["setpriv", "--bounding-set", "-sys_resource", "prlimit", "--memlock=65536:65536"]
            guard isCounted else { return try Self.expectAllWell(launcher, file, sandbox) }
            for command in ["check", "run"] {
                let result = try Self.command(launcher + [AgentUnderTest.program, command, "--config", file], sandbox)
                let text = command == "check" ? result.output : result.errorOutput
                #expect(result.exitCode == 6, "\(text)")
                // Other maps of the same user may leave no room for the smallest one.
                #expect(text.contains("this kernel counts maps as locked memory"), "\(text)")
                #expect(text.contains("64 KiB"), "\(text)")
                #expect(text.contains("LimitMEMLOCK=infinity"), "\(text)")
            }
            let check = try Self.command([AgentUnderTest.program, "check", "--config", file], sandbox)
            #expect(check.output.contains("this kernel counts them as locked memory"), "\(check.output)")
        }
    }

    @Test func `an ignored SIGCHLD doesn't make check or run fail`() async throws {
        try await Sandbox.run { sandbox in
            let file = try Self.configuration(in: sandbox)
            try Self.expectAllWell(["sh", "-c", "trap '' CHLD && exec \"$@\"", "sh"], file, sandbox)
        }
    }

    @Test func `check makes the maps and loads the programs that run does`() async throws {
        try await Sandbox.run { sandbox in
            let file = try Self.configuration(in: sandbox)
            let (checked, started) = (sandbox.newPath("check.trace"), sandbox.newPath("run.trace"))
            let tracer = ["strace", "-f", "-qq", "-v", "-s", "128", "-e", "trace=bpf", "-o"]
            let check = try Self.command(
                tracer + [checked, AgentUnderTest.program, "check", "--config", file], sandbox)
            #expect(check.exitCode == 0, "\(check.output)")
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program, launcher: tracer + [started])
            try agent.kill()
            let (tried, made) = try (Self.objects(in: checked), Self.objects(in: started))
            #expect(made.count > 20, "\(made)")
            #expect(made.subtracting(tried) == [])
        }
    }

    @Test func `check names an unwritable state file and another pool of the same groups`() async throws {
        try await Sandbox.run { sandbox in
            let file = try Self.configuration(in: sandbox, "state_file: /run/nowhere/edge.json")
            chmod("/sys/fs/bpf", 0o777)
            let unit = UnitFile.launcher(user: 64_000, capabilities: ["CAP_BPF"])
            let check = try Self.command(unit + [AgentUnderTest.program, "check", "--config", file], sandbox)
            #expect(
                check.output.contains(
                    "– state_file /run/nowhere/edge.json: plan --rebalance --apply can't store its pins: cannot "
                        + "write state_file /run/nowhere/edge.json: /run/nowhere/edge.json could not be replaced (EACCES)"
                ),
                "\(check.output)")
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let other = sandbox.newPath("other.yaml")
            let sockets = "control_socket: {path: /run/other.sock}\nstatus_socket: {path: /run/other-status.sock}"
            let text = AgentFixture.configuration(extra: sockets).replacing("pool: edge", with: "pool: other")
            try FileText.write(text, to: other)
            let second = try agent.command(["check", "--config", other])
            #expect(
                second.output.contains(
                    "✗ other pools of group ipfix: pool edge (pins in /sys/fs/bpf/reuseport-agent/edge) has udp "
                        + "0.0.0.0:4739, too, in this network namespace (its agent runs here)"),
                "\(second.output)")
            #expect(second.exitCode == 5)
        }
    }

    // MARK: -

    private static func configuration(in sandbox: Sandbox, _ extra: String = "") throws -> String {
        let file = sandbox.newPath("edge.yaml")
        try FileText.write(AgentFixture.configuration(extra: extra), to: file)
        mkdir("/run/reuseport-agent", 0o755)
        return file
    }

    private static func command(_ words: [String], _ sandbox: Sandbox) throws -> CommandResult {
        try CommandResult.of(words[0], Array(words.dropFirst()), in: sandbox)
    }

    /// `check` has nothing to complain of, and `run` starts, also after a kill, with its maps there.
    private static func expectAllWell(
        _ launcher: [String], _ file: String, _ sandbox: Sandbox, _ extra: String = ""
    ) throws {
        let check = try command(launcher + [AgentUnderTest.program, "check", "--config", file], sandbox)
        #expect(check.exitCode == 0, "\(check.output)")
        let agent = try AgentFixture(
            in: sandbox, program: AgentUnderTest.program, configuration: AgentFixture.configuration(extra: extra),
            launcher: launcher)
        try agent.kill()
        try agent.restart()
        agent.process.send(SIGTERM)
        #expect(try agent.process.wait() == 0, "\(agent.process.errorOutput)")
    }

    /// Maps by type, name and size, programs by name, of a trace of bpf(2). The agent's own
    /// probes are none of a pool's.
    private static func objects(in file: String) throws -> Set<String> {
        let lines = try #require(FileText.read(file)).split(separator: "\n")
        return Set(
            lines.compactMap { line in
                if let map = line.firstMatch(
                    of:
                        /BPF_MAP_CREATE, \{map_type=(\w+), key_size=(\d+), value_size=(\d+), max_entries=(\d+).*map_name="(\w*)"/
                ) {
                    return map.5.hasPrefix("libbpf") || map.5.isEmpty
                        ? nil : "map \(map.5): \(map.1) \(map.2) \(map.3) \(map.4)"
                }
                return line.firstMatch(of: /BPF_PROG_LOAD.*prog_name="(\w+)"/).flatMap {
                    ["probe", "det_arg_ctx", "libbpf_nametest"].contains($0.1) ? nil : "program \($0.1)"
                }
            })
    }
}
