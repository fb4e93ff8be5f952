import Glibc
import PoolReport
import TelemetryLab
import Testing
import TestSupport

@testable import AgentCore

/// GET /metrics of a running agent.
@Suite(
    .serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root"),
    .enabled(if: PrometheusServer.isInstalled || AgentUnderTest.mustRun, "needs Debian's prometheus"))
struct MetricsTests {
    private static func send(_ count: Int, sources: Int = 50) throws {
        for index in 0..<UInt32(sources) {
            let exporter = try InternetSocket(.udp, bind: .v4(0x0a00_0001 + index))
            for _ in 0..<count / sources {
                try exporter.send([UInt8](repeating: 7, count: 32), to: .v4(0x7f00_0001), 4_739)
            }
        }
    }

    private static func status(_ agent: AgentFixture) throws -> PoolStatus {
        try JSON.decode(PoolStatus.self, from: Array(agent.get("/status").body.utf8))
    }

    @Test func `promtool accepts a live agent's metrics, whatever its collectors' names, and the page has each`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let names = ["_", "0", "A-b_9", String(repeating: "x", count: 63), "e1", "away"]
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(
                    collectors: names.map { "\"\($0)\"" }, hold: "60s", extra: StatusClient.Place.configuration))
            var collectors: [CollectorSockets] = []
            for name in names.dropLast() {
                collectors.append(try CollectorSockets(name))
                try #require(try collectors.last!.register(with: agent).exitCode == 0)
            }
            try Self.send(1_000)
            for index in 0..<UInt32(20) {
                try? InternetSocket(.tcp, bind: .v4(0x0a00_0001 + index)).connect(.v4(0x7f00_0001), 1_790)
            }
            let answer = try StatusClient.get("/metrics", over: .tcp)
            #expect(answer.status == 200)
            #expect(answer.fields.contains("Content-Type: text/plain; version=0.0.4; charset=utf-8"))
            let file = sandbox.newPath("metrics")
            try FileText.write(answer.body, to: file)
            let promtool = try ChildProcess(["sh", "-c", "exec promtool check metrics <\(file)"], in: sandbox)
            #expect(try promtool.wait() == 0)
            #expect(promtool.output + promtool.errorOutput == "")
            let page = try #require(FileText.read(Checkout.docs + "/metrics.md"))
            for line in answer.body.split(separator: "\n") where line.hasPrefix("# TYPE reuseport_agent_") {
                let metric = line.split(separator: " ")[2].dropFirst("reuseport_agent_".count)
                #expect(page.contains("`\(metric)`"), "docs/metrics.md lacks \(metric)")
            }
            let samples = MetricSamples(answer.body)
            let status = try Self.status(agent)
            for name in names {
                let label = "collector=\"\(name)\""
                let collector = try #require(status.collectors.first { $0.name == name })
                #expect(samples.sum("reuseport_agent_collector_state", label) == 1)
                #expect(samples.sum("reuseport_agent_collector_state", label, "state=\"\(collector.state)\"") == 1)
                #expect(samples.sum("reuseport_agent_collector_up", label) == (name == "away" ? 0 : 1))
                #expect(
                    samples.sum("reuseport_agent_collector_bytes_total", label, "group=\"ipfix\"")
                        == Double(collector.groups["ipfix"]!.bytes))
            }
            #expect(samples.sum("reuseport_agent_group_runs_total", "group=\"ipfix\"") == 1_000)
            #expect(samples.sum("reuseport_agent_group_runs_total", "outcome=\"held\"") > 0)
            #expect(samples.sum("reuseport_agent_group_attached") == 2)
            #expect(samples.sum("process_resident_memory_bytes") > 0x1p20)
            #expect(samples.sum("process_open_fds") > 5 && samples.sum("process_cpu_seconds_total") > 0)
            let age = Double(time(nil)) - samples.sum("process_start_time_seconds")
            #expect(age > -2 && age < 600)
        }
    }

    @Test func `no counter decreases over a collector's restart, a replace, a reload and 5 kills of the agent`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            var collectors = try agent.registerFour()
            // The collector's queue has room for few datagrams.
            try collectors[0].udp.set(SOL_SOCKET, SO_RCVBUF, 4_096)
            var before = MetricSamples(try agent.get("/metrics").body).counters
            var sent = 0.0
            func look(_ act: String) throws {
                let samples = MetricSamples(try agent.get("/metrics").body)
                for (series, value) in before { #expect(samples.counters[series] ?? -1 >= value, "\(act): \(series)") }
                before = samples.counters
                #expect(samples.sum("reuseport_agent_group_runs_total", "group=\"ipfix\"") == sent, "\(act)")
            }
            for round in 0..<5 {
                try Self.send(500)
                sent += 500
                try look("traffic")
                let fresh = try CollectorSockets("c1")
                try fresh.udp.set(SOL_SOCKET, SO_RCVBUF, 4_096)
                if round % 2 == 0 {
                    collectors[0] = fresh
                    #expect(try fresh.register(with: agent).exitCode == 0)
                } else {
                    // `replace` waits until it is empty.
                    _ = collectors[0].udp.receiveWaiting()
                    let flags = ["--fd", "10", "--fd", "11"]
                    let result = try agent.command(
                        ["replace", "--collector", "c1"] + flags,
                        descriptors: [10: fresh.udp.number, 11: fresh.tcp.number])
                    #expect(result.exitCode == 0, "\(result.errorOutput)")
                    collectors[0] = fresh
                }
                try look("another socket, round \(round)")
                try Self.send(500)
                sent += 500
                try agent.kill()
                try Self.send(500)
                sent += 500
                try agent.restart()
                try look("a killed agent, round \(round)")
                #expect(try agent.command(["reload"]).exitCode == 0)
                try look("reload, round \(round)")
            }
            let drops = before.filter { $0.key.contains("socket_drops_total") && $0.key.contains("\"c1\"") }
            #expect(drops.values.reduce(0, +) > 500, "\(drops)")
            try FileText.write("pool: [", to: agent.configurationPath)
            #expect(try agent.command(["reload"]).exitCode == 2)
            let samples = MetricSamples(try agent.get("/metrics").body)
            #expect(samples.sum("reuseport_agent_config_last_reload_successful") == 0)
        }
    }

    @Test func `Prometheus scrapes the TCP address and has the numbers of /status`() async throws {
        try await Sandbox.run(.unhurried) { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(extra: StatusClient.Place.configuration))
            let collectors = try agent.registerFour()
            let prometheus = try PrometheusServer(in: sandbox)
            func checkRuns() throws {
                let status = try Self.status(agent)
                for collector in status.collectors {
                    let query =
                        "sum(reuseport_agent_collector_runs_total{collector=\"\(collector.name)\",group=\"ipfix\"})"
                    let runs = Double(collector.groups["ipfix"]!.runs)
                    let isEqual = try waitUntil(.seconds(30), every: .milliseconds(200)) {
                        try prometheus.query(query).map(\.value) == [runs]
                    }
                    #expect(isEqual && runs > 0, "\(collector.name) has \(runs)")
                }
            }
            try Self.send(1_000)
            try checkRuns()
            try agent.kill()
            let isDown = try waitUntil(.seconds(30), every: .milliseconds(200)) {
                try prometheus.query("up{job=\"reuseport-agent\"}").map(\.value) == [0]
            }
            #expect(isDown)
            try agent.restart()
            try Self.send(1_000)
            try checkRuns()
            // A counter that had gone back would count as reset.
            #expect(try prometheus.query("sum(resets(reuseport_agent_collector_runs_total[10m]))").map(\.value) == [0])
            for expression in try Dashboard.example().expressions {
                _ = try prometheus.query(Dashboard.withoutVariables(expression))
            }
            #expect(try !prometheus.query("ALERTS{alertname=\"ReuseportProgramNotAttached\"}").contains { _ in true })
            _ = collectors
        }
    }
}
