import Glibc
import SockArrayCore
import TelemetryLab
import Testing

@testable import reuseport_agent

/// What is counted, when the agent is killed in the middle of what it does with it.
@Suite(.serialized, .enabled(if: Subject.hasPrivilege, "needs root")) struct KilledCountTests {
    /// `selected` of each group, and what each collector got by UDP.
    private static func counts(_ agent: AgentFixture) throws -> (selected: [String: UInt64], runs: [String: UInt64]) {
        let status = try JSON.decode(PoolStatus.self, from: Array(agent.command(["status", "--json"]).output.utf8))
        return (
            Dictionary(uniqueKeysWithValues: status.groups.map { ($0.name, $0.outcomes.selected) }),
            Dictionary(uniqueKeysWithValues: status.collectors.map { ($0.name, $0.groups["ipfix"]!.runs) })
        )
    }

    @Test
    func `killed at each step of taking a collector out and of bringing another to its slot: no count is less or more`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: Subject.program)
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
                    if agent.hasEndedItself(within: .milliseconds(100)) {
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
}
