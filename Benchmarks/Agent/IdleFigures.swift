import CBPFShim
import CTestShim
import Glibc
import TelemetryLab
import TestSupport

/// The cost of the agent while nothing changes.
struct IdleFigures {
    let mebibytes: Double
    /// The share of one core.
    let percent: Double

    private static let scrapeInterval: UInt32 = 5

    /// - Parameters:
    ///   - exporters: the number of tracked exporters.
    ///   - scrapes: the number of scrapes, 5 s apart; 0 means 5 s without any.
    init(program: String, configuration: String, exporters: UInt32, scrapes: Int, in sandbox: Sandbox) throws {
        let agent = try AgentFixture(
            in: sandbox, program: program, configuration: AgentFixture.configuration(extra: configuration))
        let sockets = [
            try InternetSocket.collector(.udp, .v4(0), port: 4_739),
            try InternetSocket.collector(.tcp, .v4(0), port: 1_790),
        ]
        let result = try agent.command(
            ["register", "--collector", "c1", "--fd", "10", "--fd", "11"],
            descriptors: [10: sockets[0].number, 11: sockets[1].number])
        guard result.exitCode == 0 else { throw BenchmarkError(description: result.errorOutput) }
        if exporters > 0 { try bench("a flood", lab_flood(0x0a00_0000, exporters, 4_739, 200)) }
        usleep(2_000_000)
        let (began, before) = (rpa_monotonic_ns(), Self.cost(agent))
        for _ in 0..<max(1, scrapes) {
            if scrapes > 0, try agent.get("/metrics").status != 200 {
                throw BenchmarkError(description: "no metrics")
            }
            sleep(Self.scrapeInterval)
        }
        let after = Self.cost(agent)
        mebibytes = after.residentKibibytes / 1_024
        percent = (after.microseconds - before.microseconds) / (Double(rpa_monotonic_ns() - began) / 1_000) * 100
        withExtendedLifetime(sockets) {}
        try agent.kill()
        _ = try agent.command(["unload", "--pool", "edge"])
    }

    private static func cost(_ agent: AgentFixture) -> ProcessTree { ProcessTree(of: [agent.process.pid]) }
}
