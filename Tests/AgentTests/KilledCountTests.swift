import Glibc
import PoolReport
import TelemetryLab
import Testing
import TestSupport

@testable import AgentCore

/// Counters of an agent that is killed in the middle of changing them.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct KilledCountTests {
    /// `selected` of each group, and what each collector got by UDP.
    private static func counts(_ agent: AgentFixture) throws -> (selected: [String: UInt64], runs: [String: UInt64]) {
        let status = try JSON.decode(PoolStatus.self, from: Array(agent.command(["status", "--json"]).output.utf8))
        return (
            Dictionary(uniqueKeysWithValues: status.groups.map { ($0.name, $0.outcomes.selected) }),
            Dictionary(uniqueKeysWithValues: status.collectors.map { ($0.name, $0.groups["ipfix"]!.runs) })
        )
    }

    @Test
    func `no count changes by a kill at each step of a removal and of its slot's next registration`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            var collectors = try agent.registerFour()
            var sent: UInt64 = 0
            var (killed, step) = (0, 1)
            // Every other time the name that comes is another one.
            while true {
                let names = ["c4", "c5"]
                for index in 0..<UInt32(40) {
                    let exporter = try InternetSocket(.udp, bind: .v4(0x0a00_0001 + index))
                    try exporter.send([1, 2, 3], to: .v4(0x7f00_0001), 4_739)
                }
                sent += 40
                let before = try Self.counts(agent)
                #expect(before.selected["ipfix"] == sent, "step \(step)")
                let present = collectors[3].name
                let next = names.first { $0 != present }!
                var isKilled = false
                for list in [["c1", "c2", "c3"], ["c1", "c2", "c3", next]] {
                    try FileText.write(AgentFixture.configuration(collectors: list), to: agent.configurationPath)
                    let tracer = try agent.endingItself(atCall: step, of: "bpf")
                    _ = try agent.command(["reload"])
                    if agent.hasEndedItself() {
                        isKilled = true
                        killed += 1
                        try agent.restart()
                    } else {
                        tracer.send(SIGTERM)
                        try tracer.wait()
                    }
                    let after = try Self.counts(agent)
                    #expect(after.selected["ipfix"] == sent, "step \(step), \(list)")
                    for name in ["c1", "c2", "c3"] { #expect(after.runs[name] == before.runs[name], "step \(step)") }
                    #expect(
                        after.runs[next] ?? 0 == 0
                            && (after.runs[present] ?? before.runs[present]) == before.runs[present])
                }
                try #require(try waitUntil(.seconds(5)) { try Self.counts(agent).runs[present] == nil })
                collectors.removeLast()
                collectors.append(try CollectorSockets(next))
                #expect(try collectors[3].register(with: agent).exitCode == 0)
                if !isKilled { break }
                step += 1 + step / 12
            }
            #expect(killed > 20, "\(killed) kills, the last at call \(step)")
            let runs = try Self.counts(agent).runs
            #expect(runs.keys.sorted().prefix(3) == ["c1", "c2", "c3"] && runs.count == 4)
        }
    }

    @Test func `after a kill at each step of a replace, drops count each socket once`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(collectors: ["c1"], extra: "table_size: 1024"))
            func collector() throws -> CollectorSockets {
                let sockets = try CollectorSockets("c1")
                try sockets.udp.set(SOL_SOCKET, SO_RCVBUF, 4_096)
                return sockets
            }
            let exporter = try InternetSocket(.udp, bind: .v4(0x0a00_0001))
            var present = try collector()
            #expect(try present.register(with: agent).exitCode == 0)
            var (dropped, killed) = (0, 0)
            for step in 1...60 {
                for _ in 0..<40 { try exporter.send([UInt8](repeating: 7, count: 100), to: .v4(0x7f00_0001), 4_739) }
                // Also empties the queue, which `replace` waits for.
                dropped += 40 - present.udp.receiveWaiting().count
                let next = try collector()
                let replace = ["replace", "--collector", "c1", "--fd", "10", "--fd", "11"]
                let descriptors = [Int32(10): next.udp.number, 11: next.tcp.number]
                let tracer = try agent.endingItself(atCall: step, of: "bpf,sendto")
                _ = try agent.command(replace, descriptors: descriptors)
                let isKilled = agent.hasEndedItself()
                if isKilled {
                    killed += 1
                    try agent.restart()
                    #expect(try agent.command(replace, descriptors: descriptors).exitCode == 0, "step \(step)")
                } else {
                    tracer.send(SIGTERM)
                    try tracer.wait()
                }
                present = next
                let status = try JSON.decode(PoolStatus.self, from: Array(agent.get("/status").body.utf8))
                #expect(status.collectors[0].groups["ipfix"]!.drops == UInt64(dropped), "step \(step)")
                if !isKilled { break }
            }
            #expect(killed > 10 && dropped > 200, "\(killed) kills, \(dropped) dropped")
        }
    }
}
