import CBPFShim
import Glibc
import PoolModel
import SockArrayCore
import TelemetryLab
import Testing
import TestSupport

/// Kernels before 5.14, which do not migrate connections. Where the kernel does, strace mocks
/// one that does not: bpf(2) refuses the program that asks, as such a kernel's verifier does.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct OlderKernelTests {
    private static func tracer(_ file: String, refusing call: Int? = nil) -> [String] {
        let refusal = call.map { ["-e", "inject=bpf:error=EACCES:when=\($0)"] } ?? []
        return ["strace", "-f", "-qq", "-v", "-o", file, "-e", "trace=bpf"] + refusal
    }

    /// The calls of bpf(2) that strace has seen.
    private static func calls(in file: String) throws -> [Substring] {
        // Behind the pid: `check` tries all this in a child.
        try #require(FileText.read(file)).split(separator: "\n").map { $0.drop { $0.isNumber || $0 == " " } }
            .filter { $0.hasPrefix("bpf(") }
    }

    /// Index of the call that asks.
    private static func question(among calls: [Substring]) throws -> Int {
        try #require(calls.firstIndex { $0.hasPrefix("bpf(BPF_PROG_LOAD") && $0.contains("prog_name=\"probe\"") })
    }

    /// Names of loaded programs, cut by the kernel to 15 characters.
    private static func programs(loadedBy calls: [Substring]) -> Set<Substring> {
        let all: Set<Substring> = ["dispatch", "dispatch_or_mig", "select_collecto", "select_or_migra"]
        return all.filter { name in calls.contains { $0.contains("prog_name=\"\(name)\"") } }
    }

    @Test func `check tests migration by loading a program, and reports that connections are reset without it`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let file = sandbox.newPath("check.trace")
            let asked = try ChildProcess(Self.tracer(file) + [AgentUnderTest.program, "check"], in: sandbox)
            try asked.wait()
            #expect(
                asked.output.contains(
                    "✓ connections of a closing listener: pending ones migrate to the collector's new listener"))
            let calls = try Self.calls(in: file)
            let question = try Self.question(among: calls)
            // At 48 of sk_reuseport_md. A kernel without it takes any attach type, but no such offset.
            #expect(
                calls[question].contains(
                    "insns=[{code=BPF_LDX|BPF_DW|BPF_MEM, dst_reg=BPF_REG_0, src_reg=BPF_REG_1, off=48,"))
            let refused = try ChildProcess(
                Self.tracer("/dev/null", refusing: question + 1) + [AgentUnderTest.program, "check"], in: sandbox)
            #expect(try refused.wait() == asked.exitCode)
            #expect(
                refused.output.contains(
                    "– connections of a closing listener: the kernel can't migrate pending ones: they are reset"))
            #expect(refused.output.contains("    boot a kernel from 5.14 on"))
        }
    }

    @Test
    func `without migration the agent loads two programs, 60 of 60 exporters meet, and waiting connections are reset`()
        async throws
    {
        var question: Int?
        for isRefused in [false, true] {
            let refusedCall = isRefused ? question : nil
            question = try await Sandbox.run { sandbox in
                let file = sandbox.newPath("agent.trace")
                let agent = try AgentFixture(
                    in: sandbox, program: AgentUnderTest.program, launcher: Self.tracer(file, refusing: refusedCall))
                let calls = try Self.calls(in: file)
                let migrating: Set<Substring> = ["dispatch_or_mig", "select_or_migra"]
                #expect(
                    Self.programs(loadedBy: calls)
                        == Set(["dispatch", "select_collecto"]).union(isRefused ? [] : migrating))
                var collectors = try agent.registerFour()
                let sources = (0..<UInt32(60)).map { IPAddress.v4(0x0a06_0000 + $0) }
                for (source, owner) in zip(sources, try agent.owners(of: sources)) {
                    #expect(try source.meeting(at: collectors) == owner)
                }
                #expect(try Self.survivors(of: 20, &collectors, with: agent) == (isRefused ? 0 : 20))
                return try Self.question(among: calls) + 1
            }
        }
    }

    /// Whether the kernel of the tests migrates connections: `make test-kernels` boots one that doesn't.
    private static let kernelMigrates = rpa_probe_migration() == 1

    @Test(.enabled(if: !kernelMigrates, "this kernel migrates connections; Linux 5.10 does not"))
    func `on a kernel without migration check says so, and waiting connections are reset`() async throws {
        try await Sandbox.run { sandbox in
            let check = try CommandResult.of(AgentUnderTest.program, ["check"], in: sandbox)
            #expect(check.exitCode == 0, "\(check.output)")
            #expect(
                check.output.contains(
                    "– connections of a closing listener: the kernel can't migrate pending ones: they are reset"),
                "\(check.output)")
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            var collectors = try agent.registerFour()
            #expect(try Self.survivors(of: 20, &collectors, with: agent) == 0)
        }
    }

    /// Connections wait at c1, whose listener closes after another one has its slot.
    ///
    /// - Returns: how many of them continue.
    private static func survivors(
        of count: Int, _ collectors: inout [CollectorSockets], with agent: AgentFixture
    ) throws -> Int {
        let sources = (0..<UInt32(200)).map { IPAddress.v4(0x0a07_0000 + $0) }
        let own = zip(sources, try agent.owners(of: sources)).filter { $0.1 == "c1" }.map(\.0).prefix(count)
        let routers = try own.map { source in
            let router = try InternetSocket(.tcp, bind: source)
            try router.connect(.v4(0x7f00_0001), 1_790)
            return router
        }
        try #require(routers.count == count)
        let next = try CollectorSockets("c1")
        let replaced = try agent.command(
            ["replace", "--collector", "c1", "--fd", "10", "--fd", "11", "--timeout", "0"],
            descriptors: [10: next.udp.number, 11: next.tcp.number])
        #expect(replaced.errorOutput.contains("\(count) connections"), "\(replaced.errorOutput)")
        collectors[0] = next
        return routers.count { $0.readWaiting() != nil }
    }
}
