import Glibc
import TelemetryLab
import Testing
import TestSupport

@testable import TestProcesses

/// A collector that binds its sockets anew in the same process, as some do at SIGHUP.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct RebindTests {
    enum Way: String, CaseIterable {
        case exec, pid, command

        func start(in sandbox: Sandbox, with agent: AgentFixture) throws -> CountedCollector {
            switch self {
            case .exec: return try .underExec("c1", in: sandbox)
            case .command: return try CountedCollector("c1", in: sandbox)
            case .pid:
                let collector = try CountedCollector("c1", in: sandbox)
                try collector.register(with: agent)
                return collector
            }
        }

        var configuration: String {
            let c1 = self == .command ? "{name: c1, command: \"*/TestProcesses collector *c1.ledger\"}" : "c1"
            return AgentFixture.configuration(collectors: [c1, "c2"], hold: "1h")
        }
    }

    @Test(arguments: Way.allCases)
    func `10 rebinds in a living process: the median is at most 100 ms without a registered socket`(way: Way)
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program, configuration: way.configuration)
            let collector = try way.start(in: sandbox, with: agent)
            try collector.waitUntilBound()
            #expect(waitUntil(.seconds(20)) { (try? agent.isActive()) ?? false })
            let traffic = try CountedTraffic(exporters: 20, rate: 4_000, by: .edge(["c1", "c2"]), in: sandbox)
            let gaps = try (0..<10).map { _ in try gap(of: collector, in: sandbox, under: traffic) }.sorted()
            #expect(gaps[5] <= .milliseconds(100), "\(gaps)")
            print("\(way): without a socket for \(gaps[5]) in the median, at most \(gaps[9])")
            try traffic.stop([collector])
        }
    }

    /// Has the collector bind anew, and returns the time from its close to the first datagram of its new socket.
    private func gap(of collector: CountedCollector, in sandbox: Sandbox, under traffic: CountedTraffic) throws
        -> Duration
    {
        let before = collector.ledger[.total]
        try traffic.wait("c1 receives") { collector.ledger[.total] > before + 100 }
        let start = collector.ledger[.start]
        let signal = try ChildProcess(["kill", "-HUP", "\(collector.pid)"], in: sandbox)
        #expect(try signal.wait() == 0)
        try traffic.wait("c1 has bound again") { collector.ledger[.start] != start }
        let total = collector.ledger[.total]
        let closed = collector.ledger[.closed]
        try traffic.wait("c1 receives again") { collector.ledger[.total] > total }
        let first = collector.ledger.entries().first { $0.noted > closed }
        return .nanoseconds(Int64((first?.noted ?? closed) - closed))
    }
}
