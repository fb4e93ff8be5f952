import Glibc
import SockArrayCore
import TelemetryLab
import Testing
import TestSupport

/// What unload leaves of a pool, and what it refuses.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct UnloadTests {
    @Test func `unload detaches through reachable collectors, and the kernel distributes again`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let udp = try InternetSocket.collector(.udp, .v4(0), port: 4_739)
            let tcp = try InternetSocket.collector(.tcp, .v4(0), port: 1_790)
            let holder = try ChildProcess(["sleep", "60"], in: sandbox, descriptors: [5: udp.number, 6: tcp.number])
            let result = try agent.command(["register", "--collector", "c1", "--pid", "\(holder.pid)"])
            #expect(result.exitCode == 0, "\(result.errorOutput)")
            agent.process.send(SIGTERM)
            try agent.process.wait()
            let unloaded = try CommandResult.of(AgentUnderTest.program, ["unload", "--pool", "edge"], in: sandbox)
            #expect(unloaded.errorOutput == "")
            let stranger = try InternetSocket.collector(.udp, .v4(0), port: 4_739)
            for index in 0..<UInt32(200) {
                try InternetSocket(.udp, bind: .v4(0x0a06_0000 + index)).send([1], to: .v4(0x7f00_0001), 4_739)
            }
            let there = stranger.receiveWaiting().count
            #expect(there > 50 && there < 150)
        }
    }

    @Test func `unload without reachable sockets empties the programs' map, and the kernel distributes again`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let collectors = try agent.registerFour()  // held by this process, of no pid inside
            agent.process.send(SIGTERM)
            try agent.process.wait()
            let unloaded = try CommandResult.of(AgentUnderTest.program, ["unload", "--pool", "edge"], in: sandbox)
            #expect(
                unloaded.exitCode == 0 && unloaded.errorOutput.contains("the kernel scatters the group"), "\(unloaded)")
            /// How many of one exporter's datagrams each collector gets.
            func send(_ count: Int) throws -> [Int] {
                var counts = collectors.map { _ in 0 }
                for _ in 0..<count {
                    try InternetSocket(.udp, bind: .v4(0x0a06_0001)).send([1], to: .v4(0x7f00_0001), 4_739)
                    for (index, collector) in collectors.enumerated() {
                        counts[index] += collector.udp.receiveWaiting().count
                    }
                }
                return counts
            }
            // The kernel empties the programs' map in the background.
            let isScattered = try waitUntil(.seconds(30)) {
                let counts = try send(20)
                return counts.count { $0 > 0 } > 1
            }
            #expect(isScattered)
            let counts = try send(200)
            #expect(counts.reduce(0, +) == 200 && counts.allSatisfy { $0 > 20 }, "\(counts)")
        }
    }

    @Test func `unload of a parent folder, or of one that holds no pool, is refused and keeps every pin`() async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let pins = FileText.names(in: "/sys/fs/bpf/reuseport-agent/edge")
            mkdir("/sys/fs/bpf/other", 0o700)
            mkdir("/sys/fs/bpf/other/maps", 0o700)
            for (name, count) in [("reuseport-agent", 1), ("other", 1)] {
                let result = try agent.command(["unload", "--pool", name, "--bpffs", "/sys/fs/bpf"])
                #expect(result.exitCode == 3 && result.errorOutput.contains("it has no settings"), "\(result)")
                #expect(FileText.names(in: "/sys/fs/bpf/\(name)").count == count)
            }
            #expect(!pins.isEmpty && FileText.names(in: "/sys/fs/bpf/reuseport-agent/edge") == pins)
        }
    }
}
