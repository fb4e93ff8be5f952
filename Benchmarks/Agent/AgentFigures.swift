import CBPFShim
import Glibc
import PoolModel
import PoolReport
import TelemetryLab
import TestSupport

/// Times of the agent's operations, in milliseconds.
struct AgentFigures {
    let program: String
    let sandbox: Sandbox
    let note: (_ workload: String, _ milliseconds: Double) -> Void

    static let many = 256

    /// Measures a new pool, the registration and the end of a collector, and a second agent.
    func measureOne() throws {
        let agent = try started("start to ready", collectors: ["c1", "c2", "c3", "c4"])
        defer { try? unload(agent) }
        let stranger = try InternetSocket.collector(.udp, .v4(0), port: 4_739)
        var collector: [InternetSocket] = try sockets()
        try timed("register, the whole command") { try register(agent, "c1", collector) }
        try timed("first datagram at its collector, after register returned") {
            try waitForDatagram(at: collector[0])
        }
        guard stranger.receiveWaiting().isEmpty else {
            throw BenchmarkError(description: "an unregistered member got datagrams")
        }
        let said = agent.process.errorOutput.count
        try timed("a collector's sockets close, until the log reports it") {
            collector = []
            let isTold = waitUntil(.seconds(5), every: .microseconds(100)) {
                agent.process.errorOutput.dropFirst(said).contains("c1")
            }
            guard isTold else { throw BenchmarkError(description: "the loss of c1 was not told") }
        }
        try agent.kill()
        try timed("start to ready, adopting pins") { try agent.restart() }
    }

    /// The same operations with many collectors.
    func measureMany() throws {
        let names = (1...Self.many).map { "c\($0)" }
        let agent = try started("start to ready, \(Self.many) collectors", collectors: names)
        defer { try? unload(agent) }
        let collectors = try names.map { _ in try sockets() }
        try atOnce(Self.nothingAtOnce, agent, collectors) { _ in ["--version"] }
        try atOnce(Self.registeredAtOnce, agent, collectors) {
            ["register", "--collector", names[$0], "--fd", "10", "--fd", "11"]
        }
        let text = FileText.read(agent.configurationPath) ?? ""
        try FileText.write(text.replacing("[c1,", with: "[{name: c1, weight: 2},"), to: agent.configurationPath)
        try timed("reload, 256 collectors, another weight") { try run(agent, ["reload"]) }
        try agent.kill()
        defer { withExtendedLifetime(collectors) {} }
        try timed("start to ready, adopting pins of \(Self.many) collectors") { try agent.restart() }
    }

    static let registeredAtOnce = "\(many) collectors register at once"
    /// The time to start that many processes.
    static let nothingAtOnce = "\(many) commands at once that only print the version"

    private func atOnce(
        _ workload: String, _ agent: AgentFixture, _ collectors: [[InternetSocket]], _ arguments: (Int) -> [String]
    ) throws {
        try timed(workload) {
            let commands = try collectors.enumerated().map { index, sockets in
                try agent.start(
                    arguments(index), descriptors: [10: sockets[0].number, 11: sockets[1].number])
            }
            for command in commands {
                guard try command.wait(.seconds(60)) == 0 else {
                    throw BenchmarkError(description: command.errorOutput)
                }
            }
        }
    }

    private func started(_ workload: String, collectors: [String]) throws -> AgentFixture {
        let configuration = AgentFixture.configuration(collectors: collectors, hold: "60s")
        return try timed(workload) {
            try AgentFixture(in: sandbox, program: program, configuration: configuration)
        }
    }

    private func unload(_ agent: AgentFixture) throws {
        try agent.kill()
        try run(agent, ["unload", "--pool", "edge"])
    }

    @discardableResult
    private func timed<Result>(_ workload: String, _ body: () throws -> Result) throws -> Result {
        let began = rpa_monotonic_ns()
        let result = try body()
        note(workload, Double(rpa_monotonic_ns() - began) / 1e6)
        return result
    }

    private func sockets() throws -> [InternetSocket] {
        [
            try InternetSocket.collector(.udp, .v4(0), port: 4_739),
            try InternetSocket.collector(.tcp, .v4(0), port: 1_790),
        ]
    }

    private func register(_ agent: AgentFixture, _ name: String, _ sockets: [InternetSocket]) throws {
        try withExtendedLifetime(sockets) {
            try run(
                agent, ["register", "--collector", name, "--fd", "10", "--fd", "11"],
                [10: sockets[0].number, 11: sockets[1].number])
        }
    }

    private func run(_ agent: AgentFixture, _ command: [String], _ descriptors: [Int32: Int32] = [:]) throws {
        let result = try agent.command(command, descriptors: descriptors)
        guard result.exitCode == 0 else { throw BenchmarkError(description: result.errorOutput) }
    }

    /// Sends from an exporter that c1 owns until a datagram arrives.
    private func waitForDatagram(at collector: InternetSocket) throws {
        let plan = AssignmentPlan(
            PoolConfiguration(
                pool: "edge", collectors: (1...4).map { .init(name: "c\($0)") },
                groups: [ReuseportGroup(name: "ipfix", transport: .udp, address: .v4(0), port: 4_739)]))
        let source = (1...1_000).lazy.map { IPAddress.v4(0x0a00_0000 + UInt32($0)) }
            .first { plan.explain($0).collector == "c1" }!
        let exporter = try InternetSocket(.udp, bind: source)
        let arrived = waitUntil(.seconds(5), every: .zero) {
            try? exporter.send([1], to: .v4(0x7f00_0001), 4_739)
            return !collector.receiveWaiting().isEmpty
        }
        guard arrived else { throw BenchmarkError(description: "no datagram arrived in 5 s") }
    }
}
