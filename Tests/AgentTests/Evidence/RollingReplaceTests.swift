import CBPFShim
import Glibc
import PoolReport
import SockArrayCore
import TelemetryLab
import Testing
import TestSupport

@testable import TestProcesses

/// Four collectors are replaced one after the other, as in an upgrade.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct RollingReplaceTests {
    @Test func `exec --replace of each of four under load loses and misdirects nothing, and each old exec ends`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let names = ["c1", "c2", "c3", "c4"]
            var collectors = try names.map { try CountedCollector.underExec($0, in: sandbox) }
            #expect(try waitUntil(.seconds(30)) { try names.allSatisfy { try agent.isActive($0) } })
            let plan = AssignmentPlan.edge(names)
            let traffic = try CountedTraffic(exporters: 100, rate: 20_000, by: plan, in: sandbox)
            try traffic.waitForDatagrams(10_000)
            for (index, name) in names.enumerated() {
                let launcher = [AgentUnderTest.program, "exec", "--collector", name, "--replace", "--"]
                let new = try CountedCollector(name, in: sandbox, launcher: launcher)
                #expect(try collectors[index].process.wait() == -SIGTERM)
                collectors.append(new)
            }
            try traffic.waitForDatagrams(10_000)
            try traffic.stop(collectors)
            for (index, exporter) in Receipts(traffic, collectors).exporters.enumerated() {
                let owner = plan.owner(of: traffic.addresses[index])
                #expect(exporter.lost == 0 && exporter.duplicates == 0)
                #expect(exporter.path == collectors.indices.filter { collectors[$0].name == owner })
            }
        }
    }

    @Test func `ten rounds of replace under load lose, misdirect and reset nothing while 200 sessions open`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            var collectors = try CountedCollector.four(in: sandbox, with: agent)
            let plan = AssignmentPlan.edge(collectors.map(\.name))
            let traffic = try CountedTraffic(exporters: 200, rate: 50_000, sessions: 200, by: plan, in: sandbox)
            let start = (time: rpa_monotonic_ns(), sent: traffic.sent)
            let answers = try NetworkCounters(in: sandbox)
            let watch = try ResetWatch()
            // Each is closed, and opened again up to 30 ms later.
            traffic.ledger[.endings] = 400
            for _ in 0..<10 {
                for name in ["c1", "c2", "c3", "c4"] {
                    let old = collectors.last { $0.name == name }!
                    let new = try CountedCollector(name, in: sandbox)
                    try new.waitUntilBound()
                    let result = try agent.command(
                        ["replace", "--collector", name, "--pid", "\(new.pid)", "--terminate"])
                    #expect(result.exitCode == 0, "\(result.errorOutput)")
                    #expect(result.output.contains("process \(old.pid) has read its queued data and got SIGTERM"))
                    #expect(try old.process.wait() == -SIGTERM)
                    collectors.append(new)
                    watch.look()
                }
            }
            let seconds = Double(rpa_monotonic_ns() - start.time) / 1e9
            let rate = Int(Double(traffic.sent - start.sent) / seconds)
            traffic.ledger[.endings] = 0
            try traffic.waitForSessions(200)
            let resets = try NetworkCounters(in: sandbox).resets - answers.resets
            #expect(try NetworkCounters(in: sandbox).unreachable == answers.unreachable)
            watch.look()
            // The others answer the agent's probes. What comes after both ends have finished
            // (see RouterSession) takes nothing from anybody.
            let late = watch.resets.filter { !$0.isProbe }
            #expect(late.allSatisfy { $0.finished == 2 }, "\(late)")
            #expect(resets == late.count, "as the kernel counts them: none was overlooked")
            try traffic.stop(collectors)

            let receipts = Receipts(traffic, collectors)
            for (index, exporter) in receipts.exporters.enumerated() {
                let owner = plan.owner(of: traffic.addresses[index])
                let own = collectors.indices.filter { collectors[$0].name == owner }
                #expect(exporter.lost == 0 && exporter.duplicates == 0)
                // The eleven processes of that name, one after the other, and no other.
                #expect(exporter.path == own)
                #expect(exporter.sessionPath.allSatisfy(own.contains))
            }
            // Each session whose connect succeeded was accepted, and read, by its exporter's collector.
            let opened = traffic.ledger.entries().filter { $0.kind == LedgerEntry.Kind.began.rawValue }
            #expect(
                opened.allSatisfy { receipts.exporters[Int($0.exporter)].holders[$0.session] != nil },
                "reset before they were accepted")
            #expect(traffic.ledger.entries().count { $0.kind == LedgerEntry.Kind.refused.rawValue } == 0)
            #expect(opened.count > 2_000 && traffic.sent > 100_000)
            print(
                "EVIDENCE replace", traffic.sent, "datagrams at", rate, "a second;", opened.count, "sessions;",
                late.count,
                "RST", late)
        }
    }
}
