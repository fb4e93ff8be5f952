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
}
