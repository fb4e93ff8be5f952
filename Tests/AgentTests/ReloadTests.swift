import Glibc
import SockArrayCore
import TelemetryLab
import Testing

/// A running agent's configuration changes.
@Suite(.serialized, .enabled(if: Subject.hasPrivilege, "needs root: namespaces and CAP_BPF")) struct ReloadTests {
    @Test func `2,000 exporters through a reload that adds one collector and removes one: each datagram arrives once`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: Subject.program,
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
            // Until it comes, c5's exporters stay with who had them.
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

    @Test func `a group added by reload: the others go on, it fills as the collectors register again`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: Subject.program)
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

    @Test func `a reload that runs out of descriptors at any point is all or nothing`() async throws {
        try await Sandbox.run(.unhurried) { sandbox in
            let agent = try AgentFixture(in: sandbox, program: Subject.program)
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

    @Test func `SIGHUP applies a changed file; one that can't be used changes no map, and is logged`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: Subject.program)
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
            agent.process.send(SIGHUP)
            #expect(waitUntil(.seconds(5)) { agent.process.errorOutput.contains("error") })
            #expect(try PinnedMaps.read() == maps)
            _ = collectors
        }
    }

    @Test func `killed at each step of a reload, the next agent goes on: no exporter at two collectors`() async throws {
        try await Sandbox.run(.unhurried) { sandbox in
            let agent = try AgentFixture(in: sandbox, program: Subject.program)
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
                // What is in force is the old table or the new one, for all.
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

    @Test func `killed while a group is removed, and started with it again: UDP and TCP of an exporter meet`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let agent = try AgentFixture(in: sandbox, program: Subject.program)
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

    @Test func `30 reloads leave the agent with as many descriptors as one`() async throws {
        try await Sandbox.run(.unhurried) { sandbox in
            let agent = try AgentFixture(in: sandbox, program: Subject.program)
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

    @Test func `100,000 exporters in the configuration: each of a sample goes where explain says`() async throws {
        try await Sandbox.run { sandbox in
            var lines = ["exporters:"]
            for index in 0..<100_000 {
                let pin = index % 10 == 0 ? ", collector: c\(index / 10 % 4 + 1)" : ""
                lines.append(
                    "- {name: r\(index), addresses: [10.\(index >> 16).\(index >> 8 & 255).\(index & 255)]\(pin)}")
            }
            let agent = try AgentFixture(
                in: sandbox, program: Subject.program,
                configuration: AgentFixture.configuration(extra: lines.joined(separator: "\n")))
            let collectors = try agent.registerFour()
            let sources = stride(from: UInt32(0), to: 100_000, by: 1_999).map { IPAddress.v4(0x0a00_0000 + $0) }
            let owners = try agent.owners(of: sources)
            for (source, owner) in zip(sources, owners) { #expect(try source.meeting(at: collectors) == owner) }
        }
    }
}

/// What the kernel sent instead of delivering.
struct NetworkCounters: Equatable {
    private(set) var unreachable: Int
    private(set) var resets: Int

    /// Without those that answered the agent's own probes.
    init(in sandbox: Sandbox) throws {
        func probes() throws -> [Int] {
            try ["udp-4739-0_0_0_0", "tcp-1790-0_0_0_0"].map { try PinnedMaps.probes(of: $0) }
        }
        var before: [Int]
        repeat {
            before = try probes()
            try self.init(withProbesIn: sandbox)
        } while try probes() != before
        unreachable -= before[0]
        resets -= before[1]
    }

    private init(withProbesIn sandbox: Sandbox) throws {
        let reader = try ChildProcess(["cat", "/proc/net/snmp"], in: sandbox)
        try reader.wait()
        let lines = reader.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        func value(_ group: String, _ name: String) throws -> Int {
            let rows = lines.filter { $0.first == group + ":" }
            guard rows.count == 2, let column = rows[0].firstIndex(of: name), let value = Int(rows[1][column]) else {
                throw LabError("/proc/net/snmp has no \(group) \(name)")
            }
            return value
        }
        unreachable = try value("Icmp", "OutDestUnreachs")
        resets = try value("Tcp", "OutRsts")
    }
}

extension IPAddress {
    /// Who gets its datagram and its connection, if that is one collector.
    func meeting(at collectors: [CollectorSockets]) throws -> String {
        try? InternetSocket(.udp, bind: self).send([1], to: .v4(0x7f00_0001), 4_739)
        let stream = try InternetSocket(.tcp, bind: self)
        try? stream.connect(.v4(0x7f00_0001), 1_790)
        let got = collectors.map { ($0.name, $0.udp.receiveWaiting().count, $0.tcp.acceptWaiting().count) }
        return got.first { $0.1 == 1 && $0.2 == 1 }?.0 ?? "nobody"
    }
}

extension AgentFixture {
    /// Who gets what the exporters send now.
    func owners(of sources: [IPAddress]) throws -> [String] {
        let result = try command(["explain", "--json"] + sources.map(\.description))
        let owners = result.output.split(separator: "\n").compactMap { line -> String? in
            let parts = line.split(separator: "\"")
            return parts.firstIndex(of: "collector").map { String(parts[$0 + 2]) }
        }
        guard owners.count == sources.count else { throw LabError("\(result.errorOutput)") }
        return owners
    }
}
