import Glibc
import PoolModel
import PoolReport
import TelemetryLab
import Testing
import TestSupport

@testable import TestProcesses

/// Acts that the kernel refuses or SIGKILL ends in the middle. strace makes it happen.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct InterruptionTests {
    @Test func `when sock_diag refuses any one call, a reload has changed nothing or all, and the rest follows`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let collectors = try agent.registerFour()
            let sources = (0..<UInt32(40)).map { IPAddress.v4(0x0a00_0001 + $0) }
            let pinned = AgentFixture.configuration(
                collectors: ["c1", "c2", "c3"],
                extra: "exporters: [{name: p, addresses: [10.0.0.0/28], collector: c1}]")
            var (refused, repeated, undisturbed) = (0, 0, 0)
            // One call may be of an audit at the same time; two in a row are beyond the last.
            for step in 1...50 where undisturbed < 2 {
                let maps = try PinnedMaps.read()
                try FileText.write(pinned, to: agent.configurationPath)
                let tracer = try agent.refusing(call: step, of: "sendto", with: "ENOBUFS")
                let said = agent.process.errorOutput.occurrences(of: "the agent tries again")
                let result = try agent.command(["reload"])
                waitUntil(.seconds(60), every: .milliseconds(2)) { agent.process.isAtRest }
                let isInterrupted = agent.process.errorOutput.occurrences(of: "the agent tries again") > said
                tracer.send(SIGTERM)
                try tracer.wait()
                if result.exitCode != 0 {
                    refused += 1
                    #expect(try PinnedMaps.read().content["rows"] == maps.content["rows"], "call \(step)")
                    let names = try agent.command(["status", "--json"]).output
                    #expect(names.occurrences(of: "\"state\":\"active\"") == 4, "call \(step): \(result.errorOutput)")
                } else {
                    if isInterrupted { repeated += 1 }
                    // c4's slot is free, its exporters are elsewhere.
                    let isDone = try waitUntil(.seconds(5)) {
                        try !agent.command(["status", "--json"]).output.contains("\"name\":\"c4\"")
                    }
                    #expect(isDone, "call \(step)")
                    let owners = try agent.owners(of: sources)
                    #expect(owners.prefix(15).allSatisfy { $0 == "c1" } && !owners.contains("c4"))
                    for (source, owner) in zip(sources, owners) {
                        #expect(try source.meeting(at: collectors) == owner, "call \(step)")
                    }
                }
                try FileText.write(AgentFixture.configuration(), to: agent.configurationPath)
                #expect(try agent.command(["reload"]).exitCode == 0)
                #expect(try collectors[3].register(with: agent).exitCode == 0)
                undisturbed = result.exitCode == 0 && !isInterrupted ? undisturbed + 1 : 0
            }
            #expect(refused >= 1 && repeated >= 1, "\(refused) refused, \(repeated) repeated")
        }
    }

    @Test func `a signal that interrupts the first write leaves the state file whole`() async throws {
        try await Sandbox.run(.unhurried) { sandbox in
            let path = sandbox.newPath("state.json")
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(extra: "state_file: \(path)"))
            let collectors = try agent.registerFour()
            // Exporters of one collector alone: the rebalance has something to move.
            let sources = (0..<UInt32(60)).map { IPAddress.v4(0x0a00_0001 + $0) }
            let owners = try agent.owners(of: sources)
            for (source, owner) in zip(sources, owners) where owner == "c1" { _ = try source.meeting(at: collectors) }
            let trace = sandbox.newPath("writes.trace")
            let tracer = try ChildProcess(
                [
                    "strace", "-qq", "-o", trace, "-p", "\(agent.process.pid)", "-P", path + ".new", "-e",
                    "inject=write:error=EINTR:when=1",
                ], in: sandbox)
            #expect(waitUntil(.seconds(20)) { agent.isTraced }, "\(tracer.errorOutput)")
            let result = try agent.command(["plan", "--rebalance", "--apply"])
            #expect(result.exitCode == 0, "\(result.errorOutput)")
            #expect((FileText.read(trace) ?? "").contains("(INJECTED)"))
            #expect((FileText.read(path) ?? "").contains("\"pins\""))
            tracer.send(SIGTERM)
            try tracer.wait()
        }
    }

    @Test func `after a kill at each step, an unregistration is undone or complete, never partial`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let collectors = try agent.registerFour()
            var (killed, dismissed) = (0, 0)
            for step in 1...60 {
                _ = try agent.endingItself(atCall: step, of: "bpf,membarrier,sendto,sendmsg")
                _ = try agent.command(["unregister", "--collector", "c4"])
                let isKilled = agent.hasEndedItself()
                if !isKilled { try agent.kill() }
                try agent.restart()
                let status = try agent.command(["status", "--json"]).output
                let isThere = status.occurrences(of: "\"state\":\"active\"") == 4
                // Its process lives, but no row waits for it, and none of its sockets is left.
                #expect(
                    isThere
                        || status.occurrences(of: "\"state\":\"failed\"") == 1
                            && status.occurrences(of: "\"cookie\":") == 6,
                    "step \(step): \(status)")
                guard isKilled else { break }
                killed += 1
                if !isThere { dismissed += 1 }
                #expect(try collectors[3].register(with: agent).exitCode == 0)
            }
            #expect(killed >= 5 && dismissed >= 2, "\(killed) killed, \(dismissed) of them unregistered")
        }
    }

    @Test func `after a kill at each step of moving rows and ending sessions, the next agent ends the rest`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            func configuration(_ count: Int) -> String {
                AgentFixture.configuration(collectors: (1...count).map { "c\($0)" }, extra: "on_move: reset")
            }
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program, configuration: configuration(4))
            let collectors = try CountedCollector.four(in: sandbox, with: agent)
            let (before, after) = (
                AssignmentPlan.edge((1...4).map { "c\($0)" }), AssignmentPlan.edge((1...5).map { "c\($0)" })
            )
            let traffic = try CountedTraffic(exporters: 200, rate: 1_000, sessions: 200, by: after, in: sandbox)
            let movers = traffic.addresses.count { before.owner(of: $0) != after.owner(of: $0) }
            var killed = 0
            for step in stride(from: 1, through: 40, by: 3) {
                try FileText.write(configuration(5), to: agent.configurationPath)
                #expect(try agent.command(["reload"]).exitCode == 0)
                let newcomer = try CountedCollector("c5", in: sandbox)
                try newcomer.waitUntilBound()
                let tracer = try agent.endingItself(atCall: step, of: "membarrier,sendto,recvfrom")
                _ = try agent.command(["register", "--collector", "c5", "--pid", "\(newcomer.pid)"])
                let isKilled = agent.hasEndedItself()
                if isKilled {
                    killed += 1
                    try agent.restart()
                } else {
                    tracer.send(SIGTERM)
                    try tracer.wait()
                }
                try newcomer.register(with: agent)
                try traffic.wait("c5 has its \(movers) sessions, step \(step)") {
                    newcomer.ledger[.sessions] == movers
                }
                try FileText.write(configuration(4), to: agent.configurationPath)
                #expect(try agent.command(["reload"]).exitCode == 0)
                try traffic.wait("c5 has none, step \(step)") { newcomer.ledger[.sessions] == 0 }
                try traffic.waitForSessions(200)
                newcomer.kill()
                try newcomer.process.wait()
                if !isKilled { break }
            }
            #expect(killed > 3 && movers > 20, "\(killed)")
            try traffic.stop(collectors)
        }
    }

    @Test func `an agent that starts with too few descriptors removes no living collector's sockets`() async throws {
        try await Sandbox.run(.unhurried) { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let collectors = try agent.registerFour()
            try agent.kill()
            var ready = 0
            for limit in 40...160 {
                let short = try ChildProcess(
                    [
                        "prlimit", "--nofile=\(limit):\(limit)", AgentUnderTest.program, "run", "--config",
                        agent.configurationPath,
                    ], in: sandbox)
                waitUntil(.seconds(60), every: .milliseconds(2)) {
                    short.exitCode != nil || short.errorOutput.contains("is ready") && short.isAtRest
                }
                if short.exitCode == nil {
                    ready += 1
                    short.send(SIGKILL)
                }
                try short.wait()
                #expect(try PinnedMaps.read().socketCount == 8, "\(limit): \(short.errorOutput)")
                if ready > 8 { break }
            }
            #expect(ready > 8)
            try agent.restart()
            let status = try agent.command(["status", "--json"]).output
            #expect(status.occurrences(of: "\"state\":\"active\"") == 4)
            _ = collectors
        }
    }
}
