import CBPFShim
import Glibc
import SockArrayCore
import TelemetryLab
import Testing

/// What is mocked: strace makes bpf(2) fail for an agent that runs.
@Suite(.serialized, .enabled(if: Subject.hasPrivilege, "needs root")) struct FailingAuditTests {
    @Test
    func `audits fail while a datagram waits at a placeholder: 3 to 18 calls are tried in 3 s, and one line is logged`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: Subject.program)
            let collectors = try agent.registerFour()
            #expect(try agent.command(["check", "--live"]).exitCode == 0)
            let trace = sandbox.newPath("agent.trace")
            let tracer = try ChildProcess(
                [
                    "strace", "-qq", "-o", trace, "-p", "\(agent.process.pid)", "-e", "trace=bpf", "-e",
                    "inject=bpf:error=EPERM",
                ], in: sandbox)
            #expect(waitUntil(.seconds(10)) { agent.isTraced }, "\(tracer.errorOutput)")
            #expect(rpa_detach_reuseport(collectors[0].udp.number) == 0)
            // The kernel's own choice: one of five members is the placeholder.
            for index in 0..<UInt32(200) {
                try InternetSocket(.udp, bind: .v4(0x0a05_0000 + index)).send([1], to: .v4(0x7f00_0001), 4_739)
            }
            usleep(3_000_000)
            // The first call that an audit makes fails, and the audit with it; so do those that
            // look after exporters, counts and sessions meanwhile: in 3 s 10, and 8 of a sweep,
            // which asks twice.
            let tries = (FileText.read(trace) ?? "").split(separator: "\n").count { $0.contains("(INJECTED)") }
            #expect(3...18 ~= tries, "\(tries)")
            #expect(agent.process.errorOutput.ranges(of: "cannot audit the pool").count == 1)
            // When they don't fail any more, it finds what is wrong.
            tracer.send(SIGINT)
            try tracer.wait()
            let message = "another program, or none, was attached in place of ours"
            #expect(waitUntil(.seconds(7)) { agent.process.errorOutput.contains(message) })
        }
    }
}
