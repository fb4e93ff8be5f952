import CBPFShim
import Glibc
import PoolModel
import PoolReport
import SockArrayCore
import TelemetryLab
import Testing
import TestSupport

@testable import TestProcesses

/// All collectors at once are killed, and started again, as a service manager does.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct RestartTests {
    private static let configuration = AgentFixture.configuration(
        hold: "20s", extra: "control_socket: {path: \(AgentFixture.controlPath), mode: \"0666\"}")

    private static func isWhole(_ collectors: some Collection<CountedCollector>) -> Bool {
        collectors.allSatisfy { $0.ledger[.total] > 200 && $0.ledger[.sessions] > 0 }
    }

    @Test(arguments: [nil, 1_000])
    func `kill -9 of all 4 and restart by exec, 5 times under load, sends nothing to another's collector`(
        user: UInt32?
    ) async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, configuration: Self.configuration)
            let names = ["c1", "c2", "c3", "c4"]
            var collectors = try names.map { try CountedCollector.underExec($0, in: sandbox, user: user) }
            for collector in collectors { try collector.waitUntilBound() }
            guard waitUntil(.seconds(20), { names.allSatisfy { (try? agent.isActive($0)) ?? false } }) else {
                throw LabError("not all are registered: \(collectors.map(\.process.errorOutput))")
            }
            let plan = AssignmentPlan.edge(names)
            let traffic = try CountedTraffic(exporters: 100, rate: 10_000, sessions: 100, by: plan, in: sandbox)
            try traffic.wait("all get something") { Self.isWhole(collectors) }
            for _ in 0..<5 {
                let running = collectors.suffix(4)
                for collector in running { try Exec.send(SIGKILL, to: collector.pid, in: sandbox) }
                // exec ends as its command does; the service manager starts both again.
                for collector in running { #expect(try collector.process.wait() == -SIGKILL) }
                // Meanwhile the agent's own sockets keep the groups; they belong to the collectors' user.
                for transport in [ReuseportGroup.TransportProtocol.udp, .tcp] {
                    let port: UInt16 = transport == .udp ? 4_739 : 1_790
                    var left: [UInt32] = []
                    try waitUntil(.seconds(20)) {
                        left = try SocketDump.members(of: transport, port: port).map(\.user)
                        return left == [user ?? 0]
                    }
                    #expect(left == [user ?? 0])
                }
                collectors += try names.map { try CountedCollector.underExec($0, in: sandbox, user: user) }
                try traffic.wait("all get something again") { Self.isWhole(collectors.suffix(4)) }
                try traffic.waitForSessions(100)
            }
            if let user { #expect(ProcessFacts.user(of: collectors.last!.pid) == user) }
            try traffic.stop(collectors)

            let receipts = Receipts(traffic, collectors)
            for (index, exporter) in receipts.exporters.enumerated() {
                let owner = plan.owner(of: traffic.addresses[index])
                let own = collectors.indices.filter { collectors[$0].name == owner }
                // The six processes of that name, one after the other, and no other.
                #expect(exporter.path == own)
                #expect(exporter.sessionPath == own)
                #expect(exporter.duplicates == 0)
            }
            #expect(receipts.torn == 0 && receipts.sentInSession > 5_000)
        }
    }
}
