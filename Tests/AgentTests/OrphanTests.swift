import Glibc
import SockArrayCore
import TelemetryLab
import Testing
import TestSupport

/// A child that outlives its collector, and has inherited both sockets of it.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct OrphanTests {
    private static let configuration = AgentFixture.configuration(
        collectors: ["{name: c1, command: sleep 6001}", "c2"], hold: "20s")

    /// Both processes are recognized as c1, the child once it is let go.
    private static func collector(leaving child: Bool, in sandbox: Sandbox) throws -> ChildProcess {
        let sockets = try CollectorSockets("c1")
        let waiting = "while [ ! -e \(sandbox.folder)/go ]; do sleep 0.05; done"
        let script = child ? "(\(waiting); exec sleep 6001) & exec sleep 6001" : "exec sleep 6001"
        return try ChildProcess(
            ["sh", "-c", script], in: sandbox, descriptors: [5: sockets.udp.number, 6: sockets.tcp.number])
    }

    private static func isChildThere(of collector: ChildProcess) -> Bool {
        ProcessFacts.descendants(of: collector.pid).contains {
            FileText.read("/proc/\($0)/cmdline") == "sleep\u{0}6001\u{0}"
        }
    }

    enum Meanwhile: CaseIterable {
        case nothing
        /// Because of it, the processes are looked through all the same.
        case stranger
        case agentIsKilled
        /// An operator unregisters the collector just before it ends.
        case unregistration
    }

    @Test(arguments: Meanwhile.allCases)
    func `the child of an ended collector isn't registered in its place for 2 s; the next collector is`(
        meanwhile: Meanwhile
    ) async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, configuration: Self.configuration)
            let collector = try Self.collector(leaving: true, in: sandbox)
            #expect(waitUntil(.seconds(20)) { (try? agent.ownerPid()) == collector.pid })
            try FileText.write("", to: "\(sandbox.folder)/go")
            #expect(waitUntil(.seconds(5)) { Self.isChildThere(of: collector) })
            let stranger = meanwhile == .stranger ? try InternetSocket.collector(.udp, .v4(0), port: 4_739) : nil
            if meanwhile == .unregistration {
                #expect(try agent.command(["unregister", "--collector", "c1"]).exitCode == 0)
            }
            collector.send(SIGKILL)
            try collector.wait()
            if meanwhile == .agentIsKilled {
                #expect(waitUntil(.seconds(5)) { (try? PinnedMaps.read().socketCount) == 0 })
                try agent.kill()
                try agent.restart()
            }
            // It lists the sockets 80 times, and looks through the processes 4 times.
            usleep(2_000_000)
            #expect(try !agent.isActive())
            #expect(try PinnedMaps.read().socketCount == 0)
            let next = try Self.collector(leaving: false, in: sandbox)
            #expect(waitUntil(.seconds(20)) { (try? agent.ownerPid()) == next.pid })
            _ = stranger
        }
    }
}
