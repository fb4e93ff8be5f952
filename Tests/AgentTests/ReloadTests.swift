import Glibc
import PoolModel
import TelemetryLab
import Testing
import TestSupport

/// A reload changes a running agent's configuration.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root: namespaces and CAP_BPF")) struct ReloadTests
{
    @Test func `a reload that adds and removes a collector delivers each datagram of 2,000 exporters once`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(collectors: ["c1", "c2", "c3", "c4"]))
            var collectors = try agent.registerFour()
            let traffic = try NumberedTraffic(exporters: 2_000)
            let before = try agent.owners(of: traffic.sources)
            let lossesBefore = try NetworkCounters(in: sandbox)
            func sendWhile(_ command: ChildProcess) throws {
                while command.exitCode == nil { try traffic.sendRound(to: collectors) }
                #expect(command.exitCode == 0, "\(command.errorOutput)")
            }
            try traffic.sendRound(to: collectors)
            try FileText.write(
                AgentFixture.configuration(collectors: ["c5", "c3", "c2", "c1"]), to: agent.configurationPath)
            try sendWhile(try agent.start(["reload"]))
            try traffic.sendRound(to: collectors)
            // Until c5 registers, its exporters stay with their former owners.
            let waiting = try agent.owners(of: traffic.sources)
            collectors.append(try CollectorSockets("c5"))
            try sendWhile(
                try agent.start(
                    ["register", "--collector", "c5", "--fd", "10", "--fd", "11"],
                    descriptors: [10: collectors[4].udp.number, 11: collectors[4].tcp.number]))
            for _ in 0..<3 { try traffic.sendRound(to: collectors) }
            let after = try agent.owners(of: traffic.sources)

            #expect(traffic.sent > 10_000 && traffic.received == traffic.sent && traffic.duplicates == 0)
            for index in traffic.sources.indices {
                var path = [before[index]]
                for owner in [waiting[index], after[index]] where owner != path.last { path.append(owner) }
                #expect(traffic.path(of: index) == path, "\(traffic.sources[index])")
            }
            let stayed = zip(before, after).count { $0 == $1 }
            #expect(zip(before, after).allSatisfy { $0 == $1 || $0 == "c4" || $1 == "c5" })
            #expect(zip(before, waiting).allSatisfy { $0 == $1 || $0 == "c4" })
            #expect(stayed > 1_000 && stayed < 1_350)
            let losses = try NetworkCounters(in: sandbox)
            #expect(losses == lossesBefore, "an ICMP error or a RST was sent: \(lossesBefore), then \(losses)")
        }
    }

    @Test func `a group added by reload fills as collectors register again, and the other groups continue`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let collectors = try agent.registerFour()
            let sources = (0..<UInt32(60)).map { IPAddress.v4(0x0a00_0001 + $0) }
            let before = try agent.owners(of: sources)
            try FileText.write(
                """
                pool: edge
                collectors: [c1, c2, c3, c4]
                groups:
                  - {name: ipfix, protocol: udp, address: 0.0.0.0, port: 4739}
                  - {name: bmp, protocol: tcp, address: 0.0.0.0, port: 1790}
                  - {name: netflow, protocol: udp, address: 0.0.0.0, port: 2055}
                """, to: agent.configurationPath)
            let reloaded = try agent.command(["reload"])
            #expect(reloaded.output.contains("groups added: netflow"), "\(reloaded)")
            var netflow: [InternetSocket] = []
            func check(_ registered: Int) throws {
                #expect(try agent.command(["status", "--json"]).output.occurrences(of: "\"state\":\"active\"") == 4)
                #expect(try agent.owners(of: sources) == before)
                for (source, owner) in zip(sources, before) {
                    if registered > 0 { try InternetSocket(.udp, bind: source).send([1], to: .v4(0x7f00_0001), 2_055) }
                    #expect(try source.meeting(at: collectors) == owner)
                }
            }
            try check(0)
            for (index, collector) in collectors.enumerated() {
                netflow.append(try InternetSocket.collector(.udp, .v4(0), port: 2_055))
                let result = try agent.register(
                    collector.name, [collector.udp.number, collector.tcp.number, netflow[index].number])
                #expect(result.exitCode == 0, "\(result)")
                try check(index + 1)
            }
            // Whole again: each exporter's datagrams are where its others are.
            _ = netflow.map { $0.receiveWaiting() }
            for (source, owner) in zip(sources, before) {
                try InternetSocket(.udp, bind: source).send([1], to: .v4(0x7f00_0001), 2_055)
                #expect(netflow.map { $0.receiveWaiting().count } == collectors.map { $0.name == owner ? 1 : 0 })
            }
        }
    }

    @Test func `SIGHUP applies a changed file; an unusable file changes no map and is logged`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let collectors = try agent.registerFour()
            try FileText.write(AgentFixture.configuration(collectors: ["c1", "c2"]), to: agent.configurationPath)
            agent.process.send(SIGHUP)
            #expect(waitUntil(.seconds(5)) { agent.process.errorOutput.contains("is reloaded") })
            let maps = try PinnedMaps.read()
            let refused = [
                "pool: [": "is not YAML", AgentFixture.configuration(extra: "seed: other"): "another seed",
                AgentFixture.configuration(extra: "assignment: maglev"): "its assignment is rendezvous",
                AgentFixture.configuration(extra: "table_size: 1024"): "its table has 65536 rows",
                AgentFixture.configuration(extra: "bpffs: /sys/fs/bpf/other"): "bpffs changed",
                AgentFixture.configuration(extra: "status_socket: {path: /run/other.sock}"): "status_socket changed",
                AgentFixture.configuration(extra: "status_http: 127.0.0.1:9477"): "status_http changed",
            ]
            for (text, message) in refused {
                try FileText.write(text, to: agent.configurationPath)
                let result = try agent.command(["reload"])
                #expect(
                    [2, 5].contains(result.exitCode) && result.errorOutput.contains(message), "\(result.errorOutput)")
                #expect(try PinnedMaps.read() == maps, "\(message)")
            }
            // Another fault than before: a message that repeats is summed up.
            try FileText.write("just words", to: agent.configurationPath)
            func errors() -> Int { agent.process.errorOutput.ranges(of: "\"level\":\"error\"").count }
            let before = errors()
            agent.process.send(SIGHUP)
            #expect(waitUntil(.seconds(5)) { errors() > before })
            #expect(try PinnedMaps.read() == maps)
            _ = collectors
        }
    }

    @Test func `30 reloads leave the agent with as many descriptors as one`() async throws {
        try await Sandbox.run(.unhurried) { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            func reload(_ round: Int) throws -> Int {
                try FileText.write(
                    AgentFixture.configuration(extra: "exporters: [{name: e, addresses: [10.0.0.\(round)]}]"),
                    to: agent.configurationPath)
                let result = try agent.command(["reload"])
                #expect(result.exitCode == 0, "\(result.errorOutput)")
                // At rest: the connection of the command may be open when the command has ended.
                return try AgentFootprint.atRest(agent).descriptors.values.reduce(0, +)
            }
            let first = try reload(1)
            for round in 2...30 { #expect(try reload(round) == first) }
        }
    }

    @Test func `with 100,000 configured exporters, each of a sample goes where explain says`() async throws {
        try await Sandbox.run { sandbox in
            var lines = ["exporters:"]
            for index in 0..<100_000 {
                let pin = index % 10 == 0 ? ", collector: c\(index / 10 % 4 + 1)" : ""
                lines.append(
                    "- {name: r\(index), addresses: [10.\(index >> 16).\(index >> 8 & 255).\(index & 255)]\(pin)}")
            }
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(extra: lines.joined(separator: "\n")))
            let collectors = try agent.registerFour()
            let sources = stride(from: UInt32(0), to: 100_000, by: 1_999).map { IPAddress.v4(0x0a00_0000 + $0) }
            let owners = try agent.owners(of: sources)
            for (source, owner) in zip(sources, owners) { #expect(try source.meeting(at: collectors) == owner) }
        }
    }
}
