import CBPFShim
import Glibc
import TelemetryLab
import Testing
import TestSupport

/// Mocked: strace makes bpf(2) fail for a running agent.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct FailingAuditTests {
    @Test func `failing audits with a datagram at a placeholder make few calls and log one line`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let collectors = try agent.registerFour()
            #expect(try agent.command(["check", "--live"]).exitCode == 0)
            let trace = sandbox.newPath("agent.trace")
            let tracer = try ChildProcess(
                [
                    "strace", "-qq", "-ttt", "-o", trace, "-p", "\(agent.process.pid)", "-e", "trace=bpf,sendto", "-e",
                    "inject=bpf:error=EPERM",
                ], in: sandbox)
            #expect(waitUntil(.seconds(10)) { agent.isTraced }, "\(tracer.errorOutput)")
            #expect(rpa_detach_reuseport(collectors[0].udp.number) == 0)
            // The kernel's own choice: one of five members is the placeholder.
            for index in 0..<UInt32(200) {
                try InternetSocket(.udp, bind: .v4(0x0a05_0000 + index)).send([1], to: .v4(0x7f00_0001), 4_739)
            }
            /// When the agent made calls of that kind, in seconds.
            func calls(_ kind: String) -> [Double] {
                (FileText.read(trace) ?? "").split(separator: "\n").filter { $0.contains(kind) }
                    .compactMap { Double($0.prefix { $0 != " " }) }
            }
            // Other calls of bpf(2) find out what refuses the first one.
            let lookUp = " bpf(BPF_MAP_LOOKUP_"
            // An audit asks for IPv4 and for IPv6 sockets before its first bpf(2), and an idle agent
            // does not otherwise: three audits, and 3 s of the agent's own time, whatever these
            // take here.
            let dump = "nlmsg_type=SOCK_DIAG_BY_FAMILY, nlmsg_flags=NLM_F_REQUEST"
            #expect(
                waitUntil(.seconds(60)) {
                    let tries = calls(lookUp)
                    return (tries.last ?? 0) - (tries.first ?? 0) >= 3 && calls(dump).count >= 6
                })
            let tries = calls(lookUp)
            let requests = calls(dump).count
            let span = (tries.last ?? 0) - (tries.first ?? 0)
            // In a second two audits, a sweep, which asks twice, and a look at the exporters' pace;
            // one of each more at the ends. An agent that spins makes thousands.
            #expect(Double(tries.count) <= 5 * span + 8, "\(tries.count) in \(span) s")
            #expect(Double(requests) <= 4 * span + 8, "\(requests) in \(span) s")
            #expect(agent.process.errorOutput.ranges(of: "cannot audit the pool").count == 1)
            // When they don't fail any more, it finds what is wrong.
            tracer.send(SIGINT)
            try tracer.wait()
            let message = "another program, or none, was attached in place of the agent's"
            #expect(waitUntil(.seconds(7)) { agent.process.errorOutput.contains(message) })
        }
    }
}
