import Glibc
import SockArrayCore
import TelemetryLab
import Testing

/// What the kernel refuses, or SIGKILL ends, in the middle of an act. strace makes it happen.
@Suite(.serialized, .enabled(if: Subject.hasPrivilege, "needs root")) struct InterruptionTests {
    @Test func `sock_diag refuses any one call of a reload: nothing has changed, or all has, and the rest follows`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: Subject.program)
            let collectors = try agent.registerFour()
            let sources = (0..<UInt32(40)).map { IPAddress.v4(0x0a00_0001 + $0) }
            let pinned = AgentFixture.configuration(
                collectors: ["c1", "c2", "c3"],
                extra: "exporters: [{name: p, addresses: [10.0.0.0/28], collector: c1}]")
            var (refused, repeated) = (0, 0)
            for step in 1...30 {
                let maps = try PinnedMaps.read()
                try FileText.write(pinned, to: agent.configurationPath)
                let tracer = try agent.refusing(call: step, of: "sendto", with: "ENOBUFS")
                let said = agent.process.errorOutput.occurrences(of: "it is tried again")
                let result = try agent.command(["reload"])
                let isInterrupted = waitUntil(.milliseconds(100)) {
                    agent.process.errorOutput.occurrences(of: "it is tried again") > said
                }
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
                        try !agent.command(["status", "--json"]).output.contains("\"c4\"")
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
                if result.exitCode == 0, !isInterrupted { break }
            }
            #expect(refused >= 1 && repeated >= 1, "\(refused) refused, \(repeated) repeated")
        }
    }

    @Test func `killed at each step of an unregistration: before it, or unregistered for good, never between`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: Subject.program)
            let collectors = try agent.registerFour()
            var (killed, dismissed) = (0, 0)
            for step in 1...60 {
                _ = try agent.endingItself(atCall: step, of: "bpf,membarrier,sendto,sendmsg")
                _ = try agent.command(["unregister", "--collector", "c4"])
                let isKilled = agent.hasEndedItself(within: .milliseconds(200))
                if !isKilled { try agent.kill() }
                try agent.restart()
                let status = try agent.command(["status", "--json"]).output
                let isThere = status.occurrences(of: "\"state\":\"active\"") == 4
                // Its process lives, but nobody waits for it, and no socket of it is left.
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
}
