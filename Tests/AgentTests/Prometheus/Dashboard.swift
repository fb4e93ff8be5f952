import FoundationEssentials
import TelemetryLab
import TestSupport

@testable import PoolModel
@testable import PoolReport

/// The example's dashboard, the parts that the tests check.
struct Dashboard: Decodable {
    let uid: String
    let id: Int?
    let panels: [Panel]
    let templating: Templating

    struct Panel: Decodable {
        let id: Int
        let type: String
        let title: String
        let description: String?
        let gridPos: Place
        let datasource: Source?
        let fieldConfig: FieldConfig?
        let targets: [Target]?
    }

    struct Place: Decodable { let x, y, w, h: Int }
    struct Source: Decodable { let type, uid: String }
    struct Target: Decodable {
        let expr: String
        let datasource: Source
    }
    struct FieldConfig: Decodable { let defaults: Defaults }
    struct Defaults: Decodable { let unit: String }
    struct Templating: Decodable { let list: [Variable] }
    struct Variable: Decodable {
        let name, type: String
        let definition: String?
    }

    static let path = Checkout.examples + "/grafana/reuseport-agent.json"

    static func example() throws -> Dashboard {
        try JSONDecoder().decode(Dashboard.self, from: Data((FileText.read(path) ?? "").utf8))
    }

    var expressions: [String] { panels.flatMap { $0.targets ?? [] }.map(\.expr) }

    /// As Grafana would ask it, for all jobs, instances and pools.
    static func withoutVariables(_ expression: String) -> String {
        var text = expression.replacing("$__rate_interval", with: "1m")
        for variable in ["$job", "$instance", "$pool"] { text = text.replacing(variable, with: ".*") }
        return text
    }
}

/// Words of a text that look like names of the agent's metrics.
enum MetricNames {
    static func all(in text: String) -> Set<String> {
        let words = text.split { !($0.isLetter || $0.isNumber || $0 == "_") }.map { String($0) }
        return Set(words.filter { $0.hasPrefix("reuseport_agent_") || $0.hasPrefix("process_") })
    }

    /// The metrics that /metrics can have.
    static let known: Set<String> = {
        let tracking = TrackingStatus(
            size: 1, active: 1, fill: 0, interval: 1, configuredInterval: 1, untracked: ExporterTraffic(), evicted: 0,
            eventsLost: 0)
        let metrics = AgentMetrics(
            status: PoolStatus(
                pool: "edge", assignment: "rendezvous", tableSize: 256, collectors: [], groups: [], tracking: tracking,
                usage: UsageStatus(lastDelivery: 0)),
            configuration: .init(isLastReloadSuccessful: true, lastSuccess: 0),
            process: .init(
                cpuSeconds: 0, residentBytes: 0, virtualBytes: 0, openFiles: 0, maxFiles: 0, startTime: 0),
            version: "0", layout: 0)
        return Set(metrics.families.map(\.name))
    }()
}
