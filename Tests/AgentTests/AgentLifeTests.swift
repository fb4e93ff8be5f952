import CBPFShim
import Glibc
import PoolModel
import PoolReport
import TelemetryLab
import Testing
import TestSupport

/// The agent starts, stops and is killed; the data plane continues.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct AgentLifeTests {
    @Test func `five kills and restarts under traffic lose and move none of 20,000 datagrams`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let collectors = try agent.registerFour()
            let sources = (0..<UInt32(200)).map { IPAddress.v4(0x0a05_0000 + $0) }
            let senders = try sources.map { try InternetSocket(.udp, bind: $0) }
            var places: [IPAddress: Set<String>] = [:]
            var received = 0
            func sendFromAll(_ rounds: Int) throws {
                for _ in 0..<rounds {
                    for sender in senders { try sender.send([1, 2, 3], to: .v4(0x7f00_0001), 4_739) }
                    for collector in collectors {
                        for (source, _) in collector.udp.receiveWaiting() {
                            places[source, default: []].insert(collector.name)
                            received += 1
                        }
                    }
                }
            }
            for _ in 0..<5 {
                try sendFromAll(5)
                agent.process.send(SIGKILL)  // traffic continues while the agent dies
                try sendFromAll(5)
                try agent.process.wait()
                let restarting = try agent.startWithoutWaiting()
                while !restarting.errorOutput.contains("is ready") { try sendFromAll(1) }
                agent.adopt(restarting)
                try sendFromAll(5)
            }
            let rounds = received / sources.count
            #expect(received == rounds * sources.count, "every round arrived whole")
            #expect(received >= 15_000)
            #expect(places.count == 200)
            #expect(places.values.allSatisfy { $0.count == 1 })
            let status = try agent.command(["status", "--json"]).output
            #expect(status.contains("\"selected\":\(received)"), "\(status)")
            let again = try collectors[0].register(with: agent)
            #expect(again.output.contains("was already registered"))
        }
    }

    @Test func `SIGTERM and SIGINT end the agent with 0 and leave the data plane; unload removes it`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let collectors = try agent.registerFour()
            for signal in [SIGTERM, SIGINT] {
                let maps = try PinnedMaps.read()
                let refused = try CommandResult.of(AgentUnderTest.program, ["unload", "--pool", "edge"], in: sandbox)
                #expect(refused.exitCode == 5)
                #expect(refused.errorOutput.contains("its agent is running; stop the agent first"))
                agent.process.send(signal)
                #expect(try agent.process.wait() == 0)
                #expect(access(AgentFixture.controlPath, F_OK) == -1)
                #expect(try PinnedMaps.read() == maps)
                if signal == SIGTERM {
                    try agent.restart()
                    #expect(agent.process.errorOutput.contains("adopted: c1 (active), c2 (active)"))
                }
            }
            let stranger = try InternetSocket.collector(.udp, .v4(0), port: 4_739)
            let sender = try InternetSocket(.udp, bind: .v4(0x0a06_0001))
            for _ in 0..<200 { try sender.send([1], to: .v4(0x7f00_0001), 4_739) }
            #expect(stranger.receiveWaiting().isEmpty)
            let stranded = try CommandResult.of(
                AgentUnderTest.program, ["unload", "--pool", "edge"], in: sandbox, user: 1_000)
            #expect(stranded.exitCode == 6)
            #expect(stranded.errorOutput.contains("may not be opened (EACCES); run it as root, or as the agent's user"))
            let unloaded = try CommandResult.of(AgentUnderTest.program, ["unload", "--pool", "edge"], in: sandbox)
            #expect(unloaded.exitCode == 0, "\(unloaded.errorOutput)")
            #expect(FileText.names(in: "/sys/fs/bpf").filter { !$0.hasSuffix(".debug") }.isEmpty)
            let twice = try CommandResult.of(AgentUnderTest.program, ["unload", "--pool", "edge"], in: sandbox)
            #expect(twice.exitCode == 3)
            _ = collectors
        }
    }

    @Test func `a second agent of the pool is refused with exit 5, and the first continues`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let path = sandbox.newPath("elsewhere.yaml")
            let sockets = "control_socket: {path: /run/c.sock}\nstatus_socket: {path: /run/s.sock}"
            try FileText.write(AgentFixture.configuration(extra: sockets), to: path)
            let second = try agent.command(["run", "--config", path])
            #expect(second.exitCode == 5)
            #expect(second.errorOutput.contains("another agent runs pool edge"))
            #expect(access("/run/c.sock", F_OK) == -1)
            #expect(try agent.command(["status"]).exitCode == 0)
        }
    }

    @Test func `after a kill at each step of a registration, a new agent completes it and others never move`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let collectors = try agent.registerFour()
            var killed = 0
            // Each of the first 40 steps, then every seventh.
            for step in Array(1...40) + Array(stride(from: 47, through: 600, by: 7)) {
                _ = try agent.command(["unregister", "--collector", "c4"])
                _ = try agent.endingItself(atCall: step, of: "bpf,setsockopt,recvmsg,sendmsg,sendto,close")
                let result = try collectors[3].register(with: agent)
                guard agent.hasEndedItself() else {
                    #expect(result.exitCode == 0)
                    break  // the registration has fewer steps: done
                }
                killed += 1
                try agent.restart()
                let again = try collectors[3].register(with: agent)
                #expect(again.exitCode == 0, "step \(step): \(again.errorOutput)")
                let status = try agent.command(["status", "--json"]).output
                #expect(status.occurrences(of: "\"state\":\"active\"") == 4, "step \(step): \(status)")
            }
            #expect(killed >= 10)
            try? agent.kill()  // the last one is still traced
            try agent.restart()
            let explained = try agent.command(["explain", "192.0.2.1", "--json"]).output
            #expect(explained.contains("\"why\":\"owner\""))
        }
    }

    @Test func `20 times, a collector killed right after register frees its slot, and the agent keeps no trace`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let others = try agent.registerFour()
            _ = try agent.command(["unregister", "--collector", "c4"])
            for _ in 0..<20 {
                var sockets: [InternetSocket] = [
                    try .collector(.udp, .v4(0), port: 4_739), try .collector(.tcp, .v4(0), port: 1_790),
                ]
                let holder = try ChildProcess(
                    ["sleep", "60"], in: sandbox, descriptors: [5: sockets[0].number, 6: sockets[1].number])
                sockets = []  // the process alone has them
                let result = try agent.command(["register", "--collector", "c4", "--pid", "\(holder.pid)"])
                holder.send(SIGKILL)
                try holder.wait()
                #expect(result.exitCode == 0, "\(result.errorOutput)")
                let status = try agent.command(["status", "--json"]).output
                #expect(status.occurrences(of: "\"cookie\":") == 6, "\(status)")
                #expect(status.occurrences(of: "\"state\":\"active\"") == 3)
            }
            _ = others
        }
    }

    @Test func `after 60 kills while a changed list is applied, no row names a slot without a collector`() async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let collectors = try agent.registerFour()
            try agent.kill()
            let configurations = try [["c1", "c2", "c5", "c6"], ["c2", "c3", "c1"], ["c1", "c2"]].map { names in
                let path = sandbox.newPath("edge.yaml")
                try FileText.write(AgentFixture.configuration(collectors: names), to: path)
                return path
            }
            let faithful = AssignmentPlan.owned(
                by: ["c1", "c2"],
                ofAllIn: [["c1", "c2", "c3", "c4"], ["c1", "c2", "c5", "c6"], ["c1", "c2", "c3"], ["c1", "c2"]])
            let senders = try faithful.prefix(50).map { try InternetSocket(.udp, bind: $0) }
            #expect(senders.count == 50)
            for round in 0..<60 {
                let starting = try ChildProcess(
                    [AgentUnderTest.program, "run", "--config", configurations[round % 3]], in: sandbox)
                // From before its first map call to well after its last store.
                usleep(UInt32(round) * 8_000)
                starting.send(SIGKILL)
                try starting.wait()
                let maps = try PinnedMaps.read()
                #expect(maps.isWritingRows || maps.rowsWithAnotherOwner == [], "round \(round)")
                #expect(maps.slotsWithoutTenant.isEmpty, "round \(round)")
                for sender in senders { try sender.send([1], to: .v4(0x7f00_0001), 4_739) }
                let received = collectors.prefix(2).reduce(0) { $0 + $1.udp.receiveWaiting().count }
                #expect(received == 50, "round \(round)")
            }
        }
    }

    @Test func `sd_notify sends READY=1 and STOPPING=1`() async throws {
        try await Sandbox.run { sandbox in
            let path = "/run/notify.sock"
            let listener = try NotifySocket(path)
            let configuration = sandbox.newPath("edge.yaml")
            try FileText.write(AgentFixture.configuration(), to: configuration)
            let agent = try ChildProcess(
                [AgentUnderTest.program, "run", "--config", configuration], in: sandbox,
                environment: ["NOTIFY_SOCKET": path])
            #expect(waitUntil(.seconds(10)) { listener.received.contains("READY=1") })
            #expect(access(AgentFixture.controlPath, F_OK) == 0)
            agent.send(SIGTERM)
            try agent.wait()
            #expect(waitUntil(.seconds(5)) { listener.received.contains("STOPPING=1") })
        }
    }
}

extension AssignmentPlan {
    /// Exporters whose owner is one of the names, the same one, with each list.
    fileprivate static func owned(by names: [String], ofAllIn lists: [[String]]) -> [IPAddress] {
        let plans = lists.map { list in
            AssignmentPlan(
                PoolConfiguration(
                    pool: "edge", collectors: list.map { .init(name: $0) },
                    groups: [ReuseportGroup(name: "ipfix", transport: .udp, address: .v4(0), port: 4_739)]))
        }
        return (0..<2_000).map { IPAddress.v4(0x0a07_0000 + $0) }.filter { address in
            let owners = Set(plans.map { $0.explain(address).collector })
            return owners.count == 1 && names.contains((owners.first ?? nil) ?? "")
        }
    }
}
