import CBPFShim
import Glibc
import SockArrayCore
import TelemetryLab

/// What the agent costs while it idles, and how soon it has done its work.
enum AgentFigures {
    private static let rounds = 9

    static func measure(_ program: String, in sandbox: Sandbox) throws -> String {
        let started = rpa_monotonic_ns()
        let agent = try AgentFixture(in: sandbox, program: program)
        let ready = milliseconds(since: started)
        var delays: [Double] = []
        var commands: [Double] = []
        for _ in 0..<rounds {
            let udp = try InternetSocket.collector(.udp, .v4(0), port: 4_739)
            let tcp = try InternetSocket.collector(.tcp, .v4(0), port: 1_790)
            let others = try InternetSocket.collector(.udp, .v4(0), port: 4_739)
            let began = rpa_monotonic_ns()
            let result = try agent.command(
                ["register", "--collector", "c1", "--fd", "10", "--fd", "11"],
                descriptors: [10: udp.number, 11: tcp.number])
            commands.append(milliseconds(since: began))
            guard result.exitCode == 0 else { throw BenchmarkError(description: result.errorOutput) }
            delays.append(try firstDatagram(to: udp, of: agent))
            guard others.receiveWaiting().isEmpty else {
                throw BenchmarkError(description: "an unregistered member got datagrams")
            }
            _ = try agent.command(["unregister", "--collector", "c1"])
        }
        usleep(300_000)
        return """
              first datagram after register returned: \(Spread(delays).text) ms (target: at most 50)
              register, from start to end of the command: \(Spread(commands).text) ms
              from start to ready: \(Spread.tenths(ready)) ms
              resident memory, idle: \(Spread.tenths(try residentMebibytes(of: agent.process.pid))) MiB (target: at most 20)
            \(try scraped(agent))
            """
    }

    /// With 10,000 exporters tracked, and a scrape every 5 s for a minute.
    private static func scraped(_ agent: AgentFixture) throws -> String {
        let collector = (
            try InternetSocket.collector(.udp, .v4(0), port: 4_739),
            try InternetSocket.collector(.tcp, .v4(0), port: 1_790)
        )
        let result = try agent.command(
            ["register", "--collector", "c1", "--fd", "10", "--fd", "11"],
            descriptors: [10: collector.0.number, 11: collector.1.number])
        guard result.exitCode == 0 else { throw BenchmarkError(description: result.errorOutput) }
        try bench("a flood", rpa_flood(0x0a00_0000, 10_000, 4_739, 200))
        usleep(2_000_000)
        let began = (time: rpa_monotonic_ns(), used: try processorSeconds(of: agent.process.pid))
        var resident: [Double] = []
        for _ in 0..<12 {
            guard try agent.get("/metrics").status == 200 else { throw BenchmarkError(description: "no metrics") }
            usleep(5_000_000)
            resident.append(try residentMebibytes(of: agent.process.pid))
        }
        let seconds = Double(rpa_monotonic_ns() - began.time) / 1e9
        let share = (try processorSeconds(of: agent.process.pid) - began.used) / seconds * 100
        return """
              with 10,000 exporters tracked and a scrape every 5 s, over \(Spread.tenths(seconds)) s:
                \(Spread.hundredths(share)) % of a core (target: under 0.5), \
            \(Spread(resident).text) MiB resident (target: at most 25)

            """
    }

    /// User and system time of all its threads: fields 14 and 15 of /proc/PID/stat.
    private static func processorSeconds(of pid: Int32) throws -> Double {
        let fields = (FileText.read("/proc/\(pid)/stat") ?? "").split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else {
            throw BenchmarkError(description: "the agent is gone")
        }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// From an exporter that c1 owns, sent again until it arrives.
    private static func firstDatagram(to collector: InternetSocket, of agent: AgentFixture) throws -> Double {
        let plan = AssignmentPlan(
            PoolConfiguration(
                pool: "edge", collectors: (1...4).map { .init(name: "c\($0)") },
                groups: [ReuseportGroup(name: "ipfix", transport: .udp, address: .v4(0), port: 4_739)]))
        let source = (1...1_000).lazy.map { IPAddress.v4(0x0a00_0000 + UInt32($0)) }
            .first { plan.explain($0).collector == "c1" }!
        let exporter = try InternetSocket(.udp, bind: source)
        let began = rpa_monotonic_ns()
        while collector.receiveWaiting().isEmpty {
            try? exporter.send([1], to: .v4(0x7f00_0001), 4_739)
            guard milliseconds(since: began) < 5_000 else {
                throw BenchmarkError(description: "no datagram arrived in 5 s")
            }
        }
        return milliseconds(since: began)
    }

    private static func milliseconds(since start: UInt64) -> Double { Double(rpa_monotonic_ns() - start) / 1e6 }

    /// VmRSS of /proc/PID/status.
    private static func residentMebibytes(of pid: Int32) throws -> Double {
        let status = FileText.read("/proc/\(pid)/status") ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        guard let kibibytes = line?.split(separator: " ").compactMap({ Double($0) }).first else {
            throw BenchmarkError(description: "the agent is gone")
        }
        return kibibytes / 1_024
    }
}
