import CBPFShim
import PoolModel
import PoolReport
import SockArrayCore

/// The resources of the status server, by path. Reading one changes nothing but this: drops are stored
/// before they are shown, so that their count never decreases.
final class StatusService {
    enum Answer {
        case response(HTTPResponse)
        /// A stream that continues until the client leaves.
        case events(EventFeed.Position)
    }

    let feed: EventFeed
    let exporters: ExporterPages
    private let pool: RunningPool
    private static let paths =
        "/, /status, /table, /exporters, /exporters/ADDRESS, /metrics, /healthz, /livez, /readyz, /events"

    init(pool: RunningPool) {
        self.pool = pool
        feed = EventFeed(pool: pool)
        exporters = ExporterPages(pool: pool)
    }

    func answer(to request: HTTPRequest) -> Answer {
        do {
            return try found(request)
        } catch let problem as HTTPProblem {
            return .response(.problem(problem, fields: problem.status == 405 ? ["Allow: GET, HEAD"] : []))
        } catch let failure as Failure {
            return .response(.problem(HTTPProblem(failure.kind == .usage ? 400 : 500, "\(failure)")))
        } catch {
            return .response(.problem(HTTPProblem(500, "\(error)")))
        }
    }

    private func found(_ request: HTTPRequest) throws -> Answer {
        guard request.method == "GET" || request.method == "HEAD" else {
            throw HTTPProblem(405, "the status is read-only: GET")
        }
        func plain(_ response: () throws -> HTTPResponse) throws -> Answer {
            try request.allowOnly([])
            return .response(try response())
        }
        switch request.path {
        case "/": return try plain { .page }
        case "/table": return try plain { try .json(200, TableStatus(pool.kernel.rowSnapshot())) }
        case "/status": return try plain { try .json(200, pool.status()) }
        case "/healthz":
            return try plain {
                let health = Health(of: try pool.status())
                return try .json(health.ok ? 200 : 503, health)
            }
        case "/livez": return try plain { try .json(200, Liveness()) }
        case "/readyz":
            return try plain {
                let readiness = Readiness(of: try pool.status())
                return try .json(readiness.ok ? 200 : 503, readiness)
            }
        case "/metrics":
            return try plain {
                HTTPResponse(type: MetricText.contentType, body: Array(try pool.metrics().text.utf8))
            }
        case "/exporters": return .response(try .json(200, exporters.list(request.parameters)))
        case "/events":
            try request.allowOnly(["after"])
            return .events(try feed.position(for: request))
        case let path where path.hasPrefix("/exporters/"):
            return try plain { try .json(200, exporters.detail(of: String(path.dropFirst("/exporters/".count)))) }
        default: throw HTTPProblem(404, "there is no \(request.path.shown); there are \(Self.paths)")
        }
    }
}

extension HTTPRequest {
    /// - Throws: 400 for the first parameter of another name.
    func allowOnly(_ names: [String]) throws(HTTPProblem) {
        guard let other = parameters.first(where: { !names.contains($0.name) }) else { return }
        let allowed = names.isEmpty ? "it takes none" : "it takes \(names.joined(separator: ", "))"
        throw HTTPProblem(400, "\(path.shown) has no parameter \(other.name.shown); \(allowed)")
    }
}

extension RunningPool {
    /// The current values for GET /metrics.
    func metrics() throws(Failure) -> AgentMetrics {
        AgentMetrics(
            status: try status(), configuration: reloads.facts, process: OwnProcess.usage(),
            version: AgentVersion.text, layout: Int(RPA_LAYOUT_VERSION))
    }
}
