import Glibc
import PoolModel
import PoolReport
import TelemetryLab
import Testing
import TestSupport

/// UDP sockets of two users at one address and port, as nfacctd binds them (SO_REUSEADDR and SO_REUSEPORT): the kernel
/// keeps them in groups apart, of which one receives all traffic.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct SecondUserTests {
    private static let anyAddress = IPAddress.v4(0)

    private static func udp(of user: UInt32, _ sandbox: Sandbox, _ address: IPAddress = anyAddress) throws
        -> InternetSocket
    {
        try sandbox.asUser(user) { try .collector(.udp, address, port: 4_739, reuseaddr: true) }
    }

    /// In the way of the agent's own socket of another user, which would keep the second user out.
    private static func obstacle(_ sandbox: Sandbox) throws -> InternetSocket {
        try udp(of: 1_002, sandbox, IPAddress("127.0.0.9")!)
    }

    @Test func `a second user that starves a collector is an error within 5 s, with both sockets and the share`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(
                    collectors: ["c1"], extra: StatusClient.Place.configuration))
            let udp = try Self.udp(of: 1_001, sandbox)
            let tcp = try sandbox.asUser(1_001) { try InternetSocket.collector(.tcp, Self.anyAddress, port: 1_790) }
            let obstacle = try Self.obstacle(sandbox)
            #expect(try agent.register("c1", [udp.number, tcp.number]).exitCode == 0)
            #expect(try agent.isActive())
            var times: [Duration] = []
            for _ in 0..<3 {
                let start = ContinuousClock.now
                var second: InternetSocket? = try Self.udp(of: 1_002, sandbox)
                let words = "a socket of user 1002 (inode "
                func lines() -> [Substring] {
                    agent.process.errorOutput.split(separator: "\n").filter {
                        $0.contains(words) && $0.contains("error")
                    }
                }
                let before = times.count
                let isReported = waitUntil(.seconds(20), every: .milliseconds(5)) {
                    (try? agent.get("/status").body.contains("\"two_users\"")) ?? false
                }
                times.append(.now - start)
                #expect(isReported && lines().count > before, "\(agent.process.errorOutput)")
                let line = lines().last ?? ""
                #expect(
                    line.contains("a socket of user 1001 (inode ")
                        && line.contains(", collector c1's, receives nothing"))
                #expect(line.contains("100 % of the group's traffic is lost"), "\(line)")
                #expect(try agent.status().collectors[0].state == "unverified")
                let check = try agent.command(["status", "--check"])
                #expect(check.exitCode == 1 && check.output.contains(words), "\(check)")
                #expect(try agent.command(["check", "--live"]).exitCode == 5)
                #expect(try StatusClient.get("/readyz").status == 503)
                #expect(second!.receiveWaiting().isEmpty, "a probe reached the second user")
                second = nil
                #expect(waitUntil(.seconds(20)) { (try? agent.isActive()) ?? false })
                #expect(try agent.command(["status", "--check"]).exitCode == 0)
            }
            #expect(times.allSatisfy { $0 <= .seconds(5) }, "\(times)")
            print("a second user was reported after \(times)")
            _ = obstacle
        }
    }

    @Test func `beside another user's collector, those of the receiving user lose nothing`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: """
                    pool: edge
                    collectors: [c1, c2]
                    groups: [{name: ipfix, protocol: udp, address: 0.0.0.0, port: 4739}]
                    restart_hold: 2s
                    """)
            let first = try Self.udp(of: 1_001, sandbox)
            let obstacle = try Self.obstacle(sandbox)
            #expect(try agent.register("c1", [first.number]).exitCode == 0)
            let second = try Self.udp(of: 1_002, sandbox)
            #expect(try agent.register("c2", [second.number]).exitCode == 0)
            let sources = (0..<UInt32(200)).map { IPAddress.v4(0x7f01_0000 + $0) }
            let plan = AssignmentPlan.edge(["c1", "c2"])
            let owned = sources.count { plan.owner(of: $0) == "c2" }
            func send() throws {
                for source in sources {
                    try InternetSocket(.udp, bind: source).send([1], to: .v4(0x7f00_0001), 4_739)
                }
            }
            try send()
            #expect(second.receiveWaiting().count == owned)
            // What keeps c1 registered is refused, and doesn't renew its hold.
            let isOver = waitUntil(.seconds(20)) {
                #expect((try? agent.register("c1", [first.number]).exitCode) == 5)
                return (try? agent.status().collectors[0].state) == "failed"
            }
            #expect(isOver)
            try send()
            #expect(second.receiveWaiting().count == sources.count)
            #expect(first.receiveWaiting().isEmpty)
            _ = obstacle
        }
    }
}
