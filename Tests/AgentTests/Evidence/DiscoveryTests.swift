import CBPFShim
import Glibc
import SockArrayCore
import TelemetryLab
import Testing
import TestSupport

@testable import TestProcesses

/// Collectors that the agent recognises by itself.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct DiscoveryTests {
    enum Way: String, CaseIterable {
        case pidFile, command, user
        case commandOfUser

        static let ownUser: UInt32 = 1_000

        /// The keys of c1 in the configuration. Its ledger's path has its name.
        var keys: String {
            switch self {
            case .pidFile: "pid_file: /run/lab/c1.pid"
            case .command: "command: \"*/TestProcesses collector *c1.ledger\""
            case .user: "user: \(Self.ownUser)"
            case .commandOfUser: "command: TestProcesses collector, user: \(Self.ownUser)"
            }
        }

        func start(in sandbox: Sandbox) throws -> CountedCollector {
            switch self {
            case .pidFile: try CountedCollector("c1", in: sandbox, pidFile: "/run/lab/c1.pid")
            case .command: try CountedCollector("c1", in: sandbox)
            case .user, .commandOfUser: try CountedCollector("c1", in: sandbox, user: Self.ownUser)
            }
        }

        var configuration: String {
            AgentFixture.configuration(collectors: ["{name: c1, \(keys)}", "c2"], hold: "20s")
        }
    }

    /// With c1 killed and started again, from its last bind to its first datagram:
    /// in how many ms it is registered.
    private static func restart(
        _ collector: inout CountedCollector, _ way: Way, in sandbox: Sandbox
    ) throws -> Double? {
        collector.kill()
        try collector.process.wait()
        collector = try way.start(in: sandbox)
        try collector.waitUntilBound()
        let started = collector
        guard waitUntil(.seconds(5), every: .milliseconds(1), { started.ledger[.total] > 0 }) else { return nil }
        // The agent may have been quicker than the collector, that notes when it had bound.
        return (Double(started.ledger.entries()[0].sent) - Double(started.ledger[.start])) / 1e6
    }

    @Test(arguments: Way.allCases)
    func `a killed and restarted collector is registered without a command, 10 of 10 times, usually within 1 s`(
        way: Way
    ) async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, configuration: way.configuration)
            var collector = try way.start(in: sandbox)
            try collector.waitUntilBound()
            #expect(waitUntil(.seconds(5)) { (try? agent.isActive()) ?? false })
            let traffic = try CountedTraffic(
                exporters: 20, rate: 4_000, by: .edge(["c1", "c2"]), in: sandbox)
            var times: [Double] = []
            for _ in 0..<10 {
                if let time = try Self.restart(&collector, way, in: sandbox) { times.append(time) }
            }
            times.sort()
            #expect(times.count == 10)
            // A single time says more of the machine's load than of the agent.
            #expect(times.count { $0 < 1_000 } >= 5 && times.allSatisfy { $0 < 10_000 }, "\(times)")
            try traffic.stop([collector])
        }
    }

    @Test func `discovery doesn't register an unregistered collector again, but does register its next process`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let way = Way.command
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, configuration: way.configuration)
            var collector = try way.start(in: sandbox)
            #expect(waitUntil(.seconds(5)) { (try? agent.isActive()) ?? false })
            #expect(try agent.command(["unregister", "--collector", "c1"]).exitCode == 0)
            // It lists the sockets 40 times, and looks through the processes twice.
            usleep(1_000_000)
            #expect(try !agent.isActive())
            // Nor an agent that starts.
            try agent.kill()
            try agent.restart()
            usleep(1_000_000)
            #expect(try !agent.isActive())
            collector.kill()
            try collector.process.wait()
            collector = try way.start(in: sandbox)
            #expect(waitUntil(.seconds(5)) { (try? agent.isActive()) ?? false })
        }
    }

    /// The sockets are root's, and the process another user's, as after nfcapd -u. sleep stands in for it.
    @Test func `a collector that changed its user is recognized by its command, beside a wrapper with the same words`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let wrapper = try ChildProcess(["sh", "-c", "sleep 609; : sleep 608"], in: sandbox)
            var sockets: CollectorSockets? = try CollectorSockets("c1")
            let numbers = [Int32(5): sockets!.udp.number, 6: sockets!.tcp.number]
            let collector = try ChildProcess(["sleep", "608"], in: sandbox, descriptors: numbers, user: Way.ownUser)
            // Only the child has them from here on, which is root's setpriv for a moment.
            sockets = nil
            #expect(waitUntil(.seconds(5)) { ProcessFacts.user(of: collector.pid) == Way.ownUser })
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(collectors: ["{name: c1, command: sleep 608}", "c2"]))
            #expect(waitUntil(.seconds(10)) { (try? agent.isActive()) ?? false }, "\(agent.process.errorOutput)")
            #expect(try agent.ownerPid() == collector.pid && wrapper.exitCode == nil && sockets == nil)
        }
    }

    @Test func `exec's renewals don't register an unregistered collector again, but its next process is registered`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            // A shell that starts it again.
            let exec = try Exec(["sh", "-c", "while :; do \"$@\"; done", "sh"] + Exec.collector, in: sandbox)
            #expect(exec.waitUntilSaid("c1 is registered: "))
            #expect(try agent.command(["unregister", "--collector", "c1"]).exitCode == 0)
            #expect(exec.waitUntilSaid("it was unregistered by a command", .seconds(10)), "\(exec.said)")
            usleep(2_500_000)  // it asks each second
            #expect(try !agent.isActive())
            #expect(exec.said.occurrences(of: "it was unregistered by a command") == 1)
            try exec.send(SIGKILL, to: exec.processes[1])
            #expect(exec.waitUntilSaid("c1 is registered again: "), "\(exec.said)")
            #expect(try agent.isActive())
            // And by hand: what was renewed is renewed again.
            #expect(try agent.command(["unregister", "--collector", "c1"]).exitCode == 0)
            let byHand = try agent.command(["register", "--collector", "c1", "--pid", "\(exec.processes[1])"])
            #expect(byHand.exitCode == 0, "\(byHand.errorOutput)")
            usleep(6_000_000)
            #expect(try agent.isActive())
            #expect(exec.said.occurrences(of: "it was unregistered by a command") == 1)
        }
    }
}
