import Glibc
import PoolModel
import TelemetryLab
import Testing
import TestSupport

/// An agent that mounts its bpffs itself, as in a pod without the host's /sys/fs/bpf: the pins end with
/// the pod's mount namespace.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct PrivateBPFFSTests {
    /// A mount namespace without a bpffs.
    private static let pod = [
        "unshare", "--mount", "sh", "-c", "while umount /sys/fs/bpf 2>/dev/null; do :; done; exec \"$@\"", "sh",
    ]
    private static let danger = "the agent mounts this bpffs itself, in its own mount namespace"

    private static func command(_ words: [String], _ sandbox: Sandbox) throws -> CommandResult {
        try CommandResult.of(words[0], Array(words.dropFirst()), in: sandbox)
    }

    @Test func `check and run warn that pins end with the pod, and say how to keep them`() async throws {
        try await Sandbox.run { sandbox in
            let file = sandbox.newPath("edge.yaml")
            try FileText.write(AgentFixture.configuration(), to: file)
            mkdir("/run/reuseport-agent", 0o755)
            let check = [AgentUnderTest.program, "check", "--config", file]
            let before = try Self.command(Self.pod + check, sandbox)
            #expect(before.exitCode == 0, "\(before.output)")
            #expect(
                before.output.contains(
                    "– pins in /sys/fs/bpf/reuseport-agent: no bpffs is mounted there: the agent will mount one at "
                        + "/sys/fs/bpf; \(Self.danger)"), "\(before.output)")
            #expect(before.output.contains("mountPropagation: HostToContainer"), "\(before.output)")

            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program, launcher: Self.pod)
            #expect(
                waitUntil(.seconds(20)) {
                    agent.process.errorOutput.contains("pins in /sys/fs/bpf/reuseport-agent: \(Self.danger)")
                }, "\(agent.process.errorOutput)")
            #expect(agent.process.errorOutput.contains("mountPropagation: HostToContainer"))
            // A later command in the same namespace finds a bpffs there, and knows who mounted it.
            let inside = try Self.command(["nsenter", "--target", "\(agent.process.pid)", "--mount"] + check, sandbox)
            #expect(
                inside.output.contains(
                    "– pins in /sys/fs/bpf/reuseport-agent: a bpffs is mounted, and can be written; \(Self.danger)"),
                "\(inside.output)")
            // The remedy: a bpffs that was there before.
            let outside = try Self.command(check, sandbox)
            #expect(!outside.output.contains(Self.danger), "\(outside.output)")
            #expect(outside.output.contains("✓ pins in /sys/fs/bpf/reuseport-agent: a bpffs is mounted"))
        }
    }

    @Test func `after a pod's end, check and the next agent report its collectors' sockets, and how to register them`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let first = try AgentFixture(in: sandbox, program: AgentUnderTest.program, launcher: Self.pod)
            let collectors = try first.registerFour()
            let file = first.configurationPath
            try first.kill()
            let check = try Self.command([AgentUnderTest.program, "check", "--config", file], sandbox)
            #expect(check.exitCode == 0, "\(check.output)")
            for (group, endpoint) in [("ipfix", "udp 0.0.0.0:4739"), ("bmp", "tcp 0.0.0.0:1790")] {
                #expect(
                    check.output.contains(
                        "– sockets of group \(group): the pool has no pins, but \(endpoint) has sockets "
                            + "already: 4, of user 0;"), "\(check.output)")
            }
            let command = "register each collector: reuseport-agent register --collector NAME --pid PID"
            #expect(check.output.contains(command), "\(check.output)")

            let second = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            for group in ["ipfix", "bmp"] {
                #expect(
                    waitUntil(.seconds(20)) {
                        second.process.errorOutput.contains("group \(group): the pool has no pins")
                    }, "\(second.process.errorOutput)")
            }
            #expect(second.process.errorOutput.contains(command))
            #expect(!second.process.errorOutput.contains(Self.danger))
            // The remedy, and a pool with pins: neither the next check nor the next agent has anything to report.
            for collector in collectors {
                // The kernel frees the maps of the pod, in which the sockets still are, in the background.
                #expect(try waitUntil(.seconds(30)) { try collector.register(with: second).exitCode == 0 })
            }
            try second.kill()
            try second.restart()
            second.process.send(SIGTERM)
            try second.process.wait()
            #expect(!second.process.errorOutput.contains("the pool has no pins"), "\(second.process.errorOutput)")
            let after = try Self.command([AgentUnderTest.program, "check", "--config", file], sandbox)
            #expect(!after.output.contains("sockets of group"), "\(after.output)")
        }
    }
}
