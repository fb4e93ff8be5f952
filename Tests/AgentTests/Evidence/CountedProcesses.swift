import Glibc
import PoolModel
import PoolReport
import SockArrayCore
import TelemetryLab
import TestSupport

@testable import TestProcesses

/// A collector that counts, in a process of its own.
final class CountedCollector {
    let name: String
    let ledger: Ledger
    /// The process of its launcher, if it has one.
    let process: ChildProcess
    private let sandbox: Sandbox

    static let program = AgentUnderTest.program.replacingSuffix("reuseport-agent", with: "TestProcesses")

    /// - Parameters:
    ///   - launcher: a command that runs it, ended by its command line.
    ///   - pidFile: where it writes its pid when all is bound.
    ///   - workers: its UDP sockets; half as many listeners.
    init(
        _ name: String, in sandbox: Sandbox, launcher: [String] = [], pidFile: String? = nil, user: UInt32? = nil,
        workers: Int = 1
    ) throws {
        self.name = name
        self.sandbox = sandbox
        let path = sandbox.newPath("\(name).ledger")
        ledger = try Ledger(path, creating: 2_000_000)
        ledger[.workers] = UInt64(workers)
        process = try ChildProcess(
            launcher + [Self.program, "collector", path] + (pidFile.map { [$0] } ?? []), in: sandbox, user: user)
    }

    /// The same, run by `exec`.
    static func underExec(_ name: String, in sandbox: Sandbox, user: UInt32? = nil) throws -> CountedCollector {
        try CountedCollector(
            name, in: sandbox, launcher: [AgentUnderTest.program, "exec", "--collector", name, "--"], user: user)
    }

    func waitUntilBound() throws {
        guard waitUntil(.seconds(60), every: .milliseconds(1), { ledger[.start] != 0 }) else {
            throw LabError("\(name) has bound nothing: \(process.errorOutput)")
        }
    }

    /// The pid of the collector itself inside the sandbox, after it has bound.
    var pid: Int32 { Int32(ledger[.pid]) }

    func register(with agent: AgentFixture) throws {
        try waitUntilBound()
        let result = try agent.command(["register", "--collector", name, "--pid", "\(pid)"])
        guard result.exitCode == 0 else { throw LabError(result.errorOutput) }
    }

    /// SIGKILL, and nothing else.
    func kill() { process.send(SIGKILL) }

    /// c1 … c4, registered.
    static func four(in sandbox: Sandbox, with agent: AgentFixture) throws -> [CountedCollector] {
        let collectors = try (1...4).map { try CountedCollector("c\($0)", in: sandbox) }
        for collector in collectors { try collector.register(with: agent) }
        return collectors
    }
}

/// Exporters that send all the time, in a process of their own.
final class CountedTraffic {
    let addresses: [IPAddress]
    let ledger: Ledger
    let process: ChildProcess
    private let sessionCount: Int

    /// - Parameters:
    ///   - rate: datagrams a second, of all together.
    ///   - sessions: the first so many exporters have one each.
    ///   - plan: no two of the exporters are in one of its buckets, for what moves is buckets.
    init(exporters count: Int, rate: Int, sessions: Int = 0, by plan: AssignmentPlan, in sandbox: Sandbox) throws {
        var first: UInt32 = 0x0a10_0000
        while Set((0..<UInt32(count)).map { plan.explain(.v4(first + $0)).bucket }).count < count { first += 0x1_0000 }
        addresses = (0..<UInt32(count)).map { .v4(first + $0) }
        sessionCount = sessions
        let path = sandbox.newPath("exporters.ledger")
        ledger = try Ledger(path, creating: 1_000_000)
        process = try ChildProcess(
            [CountedCollector.program, "exporters", path, "\(first)", "\(count)", "\(rate)", "\(sessions)"],
            in: sandbox)
        try waitForSessions(sessions)
    }

    var sent: Int { Int(ledger[.total]) }

    func waitForSessions(_ count: Int) throws {
        try wait("\(count) sessions are up") { ledger[.sessions] == count && ledger[.start] != 0 }
    }

    /// Ends sessions, every one in its turn, until the collector has so many.
    func endSessions(until count: Int, at collector: CountedCollector) throws {
        try wait("\(collector.name) has \(count) sessions, it has \(collector.ledger[.sessions])", .seconds(120)) {
            if collector.ledger[.sessions] == count { return true }
            ledger[.endings] = 200
            usleep(1_000_000)
            ledger[.endings] = 0
            try waitForSessions(sessionCount)
            return collector.ledger[.sessions] == count
        }
    }

    func waitForDatagrams(_ count: Int) throws {
        let goal = sent + count
        try wait("\(count) more datagrams are sent") { sent >= goal }
    }

    func wait(_ what: @autoclosure () -> String, _ limit: Duration = .seconds(60), _ condition: () throws -> Bool)
        throws
    {
        let happened = try waitUntil(limit, every: .milliseconds(1)) {
            if process.exitCode != nil { throw LabError("the exporters have ended: \(process.errorOutput)") }
            return try condition()
        }
        guard happened else { throw LabError("in \(limit) not: \(what()); sessions: \(ledger[.sessions])") }
    }

    /// When each of the exporters' sessions was up for the first time since then, in ns.
    func firstSessions(of exporters: Set<Int>, since start: UInt64) -> [UInt64] {
        var times: [UInt32: UInt64] = [:]
        for entry in ledger.entries()
        where entry.kind == LedgerEntry.Kind.began.rawValue && entry.noted > start && times[entry.exporter] == nil {
            if exporters.contains(Int(entry.exporter)) { times[entry.exporter] = entry.noted }
        }
        return Array(times.values)
    }

    /// Ends it, and the collectors when they have read what waits.
    func stop(_ collectors: [CountedCollector]) throws {
        ledger[.stop] = 1
        try process.wait()
        waitUntil(.seconds(10)) {
            (try? SocketDump.members(of: .udp, port: 4_739))?.allSatisfy { $0.queued == 0 } ?? false
        }
        for collector in collectors {
            collector.process.send(SIGKILL)
            try collector.process.wait()
        }
    }

    /// The exporters that have lost a session since then, by their indices.
    func losers(since start: UInt64) -> Set<Int> {
        let losses = ledger.entries().filter { $0.kind == LedgerEntry.Kind.lost.rawValue && $0.noted > start }
        return Set(losses.map { Int($0.exporter) })
    }
}

extension AssignmentPlan {
    /// The collectors of AgentFixture's configuration.
    static func edge(_ collectors: [String]) -> AssignmentPlan {
        AssignmentPlan(
            PoolConfiguration(
                pool: "edge", collectors: collectors.map { .init(name: $0) },
                groups: [ReuseportGroup(name: "ipfix", transport: .udp, address: .v4(0), port: 4_739)]))
    }
}

extension String {
    fileprivate func replacingSuffix(_ suffix: String, with other: String) -> String {
        dropLast(suffix.count) + other
    }
}
