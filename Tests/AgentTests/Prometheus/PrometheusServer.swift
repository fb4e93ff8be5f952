import FoundationEssentials
import Glibc
import TelemetryLab
import TestSupport

/// Debian's Prometheus in a sandbox, with the example's scrape configuration and rules.
final class PrometheusServer {
    static let isInstalled = access("/usr/bin/prometheus", X_OK) == 0 && access("/usr/bin/promtool", X_OK) == 0

    private let process: ChildProcess
    private let sandbox: Sandbox
    private static let address = "127.0.0.1:9090"

    /// Scrapes each second, and waits until it is ready to answer.
    init(in sandbox: Sandbox) throws {
        self.sandbox = sandbox
        let folder = Checkout.examples + "/prometheus"
        let example = FileText.read(folder + "/prometheus.yml") ?? ""
        let adapted = example.replacing("15s", with: "1s")
            .replacing("- reuseport-agent.rules.yml", with: "- \(folder)/reuseport-agent.rules.yml")
        guard adapted.contains("127.0.0.1:9477"), adapted.contains(folder) else { throw LabError("another example") }
        let path = sandbox.newPath("prometheus.yml")
        try FileText.write(adapted, to: path)
        process = try ChildProcess(
            [
                "prometheus", "--config.file=\(path)", "--storage.tsdb.path=\(sandbox.newPath("tsdb"))",
                "--web.listen-address=\(Self.address)", "--log.level=warn",
            ], in: sandbox)
        let isReady = try waitUntil(.seconds(60)) { try get("/-/ready").contains("is Ready") }
        guard isReady else { throw LabError("Prometheus is not ready: \(process.errorOutput)") }
    }

    struct Answer: Decodable {
        let status: String
        let error: String?
        let data: Data?

        struct Data: Decodable { let result: [Sample] }

        struct Sample: Decodable {
            let metric: [String: String]
            let value: Double

            private enum CodingKeys: CodingKey { case metric, value }

            init(from decoder: any Decoder) throws {
                let container = try decoder.container(keyedBy: CodingKeys.self)
                metric = try container.decode([String: String].self, forKey: .metric)
                // [time, "value"]
                var pair = try container.nestedUnkeyedContainer(forKey: .value)
                _ = try pair.decode(Double.self)
                value = Double(try pair.decode(String.self)) ?? .nan
            }
        }
    }

    /// The samples of an instant query.
    func query(_ expression: String) throws -> [Answer.Sample] {
        let text = try get("/api/v1/query", "-G", "--data-urlencode", "query=\(expression)")
        let answer = try JSONDecoder().decode(Answer.self, from: Data(text.utf8))
        guard answer.status == "success", let data = answer.data else {
            throw LabError("\(expression): \(answer.error ?? text)")
        }
        return data.result
    }

    private func get(_ path: String, _ arguments: String...) throws -> String {
        let curl = try ChildProcess(
            ["curl", "-s", "--max-time", "60"] + arguments + ["http://\(Self.address)\(path)"], in: sandbox)
        try curl.wait()
        return curl.output
    }
}
