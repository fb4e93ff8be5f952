import Glibc
import TelemetryLab
import TestSupport
import Testing

/// The examples for Prometheus and Grafana.
@Suite struct MonitoringExampleTests {
    private static let folder = Checkout.examples + "/prometheus"

    @Suite(
        .serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root"),
        .enabled(if: PrometheusServer.isInstalled || AgentUnderTest.mustRun, "needs Debian's prometheus"))
    struct Promtool {
        @Test(arguments: [
            ["check", "config", "prometheus.yml"], ["check", "rules", "reuseport-agent.rules.yml"],
            ["test", "rules", "reuseport-agent.tests.yml"],
        ])
        func `promtool accepts the example rules`(_ arguments: [String]) async throws {
            try await Sandbox.run { sandbox in
                let promtool = try ChildProcess(
                    ["promtool"] + arguments.dropLast() + [folder + "/" + arguments.last!], in: sandbox)
                #expect(try promtool.wait(.seconds(60)) == 0)
                #expect(!promtool.output.contains("FAILED"), "\(promtool.output)\(promtool.errorOutput)")
                #expect(promtool.output.contains("SUCCESS"))
            }
        }
    }

    @Test func `each alert fires and doesn't fire as its tests expect, and names existing metrics`() throws {
        let rules = FileText.read(Self.folder + "/reuseport-agent.rules.yml") ?? ""
        let tests = FileText.read(Self.folder + "/reuseport-agent.tests.yml") ?? ""
        let alerts = rules.split(separator: "\n").filter { $0.contains("- alert: ") }
            .map { String($0.split(separator: " ").last!) }
        #expect(alerts.count == 20 && Set(alerts).count == 20)
        for alert in alerts {
            let quiet = tests.contains("alertname: \(alert)\n        eval_time: ")
            #expect(quiet && tests.occurrences(of: "alertname: \(alert)\n") == 2, "\(alert)")
        }
        #expect(tests.occurrences(of: "exp_alerts: []") == 20)
        #expect(MetricNames.all(in: rules + tests).subtracting(MetricNames.known) == [])
    }

    @Test func `the dashboard has unique ids, panels side by side, and a unit and data source everywhere`() throws {
        let dashboard = try Dashboard.example()
        let panels = dashboard.panels
        #expect(dashboard.id == nil && panels.count > 25 && Set(panels.map(\.id)).count == panels.count)
        var cells: Set<[Int]> = []
        for panel in panels {
            let place = panel.gridPos
            #expect(place.x + place.w <= 24, "\(panel.title)")
            for x in place.x..<place.x + place.w {
                for y in place.y..<place.y + place.h { #expect(cells.insert([x, y]).inserted, "\(panel.title)") }
            }
            guard panel.type != "row" else { continue }
            #expect(panel.description?.isEmpty == false && panel.fieldConfig?.defaults.unit.isEmpty == false)
            #expect(panel.datasource?.uid == "${datasource}" && panel.targets?.isEmpty == false, "\(panel.title)")
            for target in panel.targets ?? [] {
                #expect(target.datasource.uid == "${datasource}")
                #expect(target.expr.contains("job=~\"$job\", instance=~\"$instance\""), "\(target.expr)")
            }
        }
        let variables = dashboard.templating.list
        #expect(variables.map(\.name) == ["datasource", "job", "instance", "pool"])
        #expect(variables[0].type == "datasource")
    }

    @Test func `the dashboard names only metrics that /metrics gives, and most of them`() throws {
        let text = FileText.read(Dashboard.path) ?? ""
        let names = MetricNames.all(in: text)
        #expect(names.subtracting(MetricNames.known) == [])
        #expect(names.count >= 25, "\(MetricNames.known.subtracting(names).sorted())")
        #expect(!text.contains("__inputs") && !text.contains("127.0.0.1"))
    }
}
