import Logging
import SockArrayCore

/// Answers GET over HTTP/1.1 on the status socket; it changes nothing.
final class StatusService: RequestService {
    let requestLimit = 8_192
    let connectionLimit = 128
    let timeLimitNanoseconds: UInt64 = 5_000_000_000

    private let pool: RunningPool

    init(pool: RunningPool) { self.pool = pool }

    func answer(_ request: Request, atEnd: Bool) -> [UInt8]? {
        if request.isTooLarge { return HTTPResponse.error(431, "the request is too large").bytes }
        switch HTTPRequest.parse(request.bytes) {
        case .incomplete: return atEnd && !request.bytes.isEmpty ? HTTPResponse.error(400, "half a request").bytes : nil
        case .malformed: return HTTPResponse.error(400, "not an HTTP request").bytes
        case .request(let head): return response(to: head).bytes
        }
    }

    private func response(to head: HTTPRequest) -> HTTPResponse {
        guard head.method == "GET" else {
            return HTTPResponse.error(405, "the status socket is read-only: GET", headers: ["Allow: GET"])
        }
        do {
            switch head.path {
            case "/status": return try .json(200, pool.status())
            case "/healthz":
                let health = Health(of: try pool.plane.status())
                return try .json(health.ok ? 200 : 503, health)
            default: return .error(404, "there are /status and /healthz")
            }
        } catch {
            return .error(500, "\(error)")
        }
    }
}
