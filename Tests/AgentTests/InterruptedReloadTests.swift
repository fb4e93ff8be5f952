import Glibc
import PoolModel
import TelemetryLab
import Testing
import TestSupport

/// A reload that runs out of descriptors, or whose agent is killed.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root: namespaces and CAP_BPF"))
struct InterruptedReloadTests {
    @Test func `a reload that runs out of descriptors at any point is all or nothing`() async throws {
        try await Sandbox.run(.unhurried) { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let collectors = try agent.registerFour()
            let old = AgentFixture.configuration()
            let new = AgentFixture.configuration(
                collectors: ["c1", "c2", "c3", "c5"], hold: "20s",
                extra: "exporters: [{name: e, addresses: [10.0.0.1]}]")
            var failures = 0
            // Enough to accept the command, and then one more each time.
            let least = try AgentFootprint.atRest(agent).descriptors.values.reduce(0, +) + 2
            for limit in least...least + 60 {
                try FileText.write(new, to: agent.configurationPath)
                let maps = try PinnedMaps.read()
                let set = try ChildProcess(
                    ["prlimit", "--pid", "\(agent.process.pid)", "--nofile=\(limit):1024"], in: sandbox)
                try set.wait()
                let result = try agent.command(["reload"])
                let unset = try ChildProcess(
                    ["prlimit", "--pid", "\(agent.process.pid)", "--nofile=1024:1024"], in: sandbox)
                try unset.wait()
                let names = try agent.command(["status", "--json"]).output
                if result.exitCode == 0 {
                    #expect(names.contains("\"c5\"") && !names.contains("\"c4\""))
                    break
                }
                failures += 1
                #expect(try PinnedMaps.read() == maps, "limit \(limit): \(result.errorOutput)")
                #expect(names.contains("\"c4\"") && !names.contains("\"c5\""))
                try FileText.write(old, to: agent.configurationPath)
            }
            #expect(failures > 5 && failures < 60, "\(failures)")
            _ = collectors
        }
    }

    @Test func `after a kill at each step of a reload, the next agent sends no exporter to two collectors`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let collectors = try agent.registerFour()
            let sources = (0..<UInt32(100)).map { IPAddress.v4(0x0a00_0001 + $0) }
            let without = try agent.owners(of: sources)
            let aliased = AgentFixture.configuration(
                extra: "exporters: [{name: alias, addresses: [10.0.0.0/28], collector: c4}]")
            var killed = 0
            for step in stride(from: 1, through: 400, by: 7) {
                try FileText.write(step % 2 == 0 ? aliased : AgentFixture.configuration(), to: agent.configurationPath)
                _ = try agent.endingItself(atCall: step, of: "bpf,mmap,munmap,mkdir,unlink,rmdir,close,openat")
                _ = try agent.command(["reload"])
                if agent.hasEndedItself() {
                    killed += 1
                } else {
                    try agent.kill()
                }
                // The old table or the new one is in force, for all exporters.
                var owners: [String] = []
                for source in sources { owners.append(try source.meeting(at: collectors)) }
                let pinned = owners.prefix(15).allSatisfy { $0 == "c4" }
                #expect(pinned || owners.prefix(15) == without.prefix(15), "step \(step)")
                #expect(owners.dropFirst(15) == without.dropFirst(15), "step \(step)")
                try agent.restart()
            }
            #expect(killed >= 15, "\(killed)")
            #expect(try agent.command(["status", "--json"]).output.occurrences(of: "\"state\":\"active\"") == 4)
        }
    }

    @Test func `after a kill while a group is removed and a start with the group, UDP and TCP of an exporter meet`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let collectors = try agent.registerFour()
            let sources = (0..<UInt32(12)).map { IPAddress.v4(0x0a00_0001 + $0) }
            func reload(_ text: String) throws {
                try FileText.write(text, to: agent.configurationPath)
                let result = try agent.command(["reload"])
                #expect(result.exitCode == 0, "\(result)")
            }
            let pinned = AgentFixture.configuration(
                extra: "exporters: [{name: p, addresses: [10.0.0.0/24], collector: c1}]")
            let alias = "exporters: [{name: a, addresses: [192.0.2.0/24]}]"
            let withoutBMP = """
                pool: edge
                collectors: [c1, c2, c3, c4]
                groups: [{name: ipfix, protocol: udp, address: 0.0.0.0, port: 4739}]
                \(alias)
                """
            var killed = 0
            for step in stride(from: 1, through: 13, by: 2) {
                try reload(pinned)
                try reload(AgentFixture.configuration())
                try FileText.write(withoutBMP, to: agent.configurationPath)
                _ = try agent.endingItself(atCall: step, of: "unlink,rmdir,membarrier")
                _ = try agent.command(["reload"])
                if agent.hasEndedItself() {
                    killed += 1
                } else {
                    try agent.kill()
                }
                try FileText.write(AgentFixture.configuration(extra: alias), to: agent.configurationPath)
                try agent.restart()
                for collector in collectors { #expect(try collector.register(with: agent).exitCode == 0) }
                let owners = try agent.owners(of: sources)
                for (source, owner) in zip(sources, owners) {
                    #expect(try source.meeting(at: collectors) == owner, "step \(step)")
                }
                #expect(Set(owners).count > 1)
            }
            #expect(killed >= 4, "\(killed)")
        }
    }
}
