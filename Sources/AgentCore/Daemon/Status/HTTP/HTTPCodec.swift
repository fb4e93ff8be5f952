/// The protocol of the status server: HTTP/1.1, one request for each connection.
struct HTTPCodec: ConnectionCodec {
    let service: StatusService
    /// Only this host can reach the socket. A name in Host is then a sign of DNS rebinding.
    let checksHost: Bool

    func read(_ request: Request, atEnd: Bool) -> RequestProgress {
        do throws(HTTPProblem) {
            if let request = try HTTPRequest.read(request.bytes) { return .complete { answer(to: request) } }
            guard atEnd, !request.bytes.isEmpty else { return .incomplete }
            throw HTTPProblem(400, "the request is incomplete")
        } catch {
            return .refused(HTTPResponse.problem(error).bytes())
        }
    }

    func refusal(_ reason: ConnectionRefusal) -> [UInt8]? {
        switch reason {
        case .serverFull: Self.busy("the server has too many clients")
        case .replaced: Self.busy("the server needed the connection for another client; the request was incomplete")
        case .requestLate(let time):
            HTTPResponse.problem(HTTPProblem(408, "the request was incomplete after \(time.components.seconds) s"))
                .bytes()
        case .tooManyStreams(let limit): Self.busy("\(limit) clients read events already")
        }
    }

    private func answer(to request: HTTPRequest) -> Answer {
        let response: HTTPResponse
        if checksHost, request.hasForeignHost {
            let text = "Host is \(request.host?.shown ?? ""); use an IP address or localhost"
            response = .problem(HTTPProblem(421, text))
        } else {
            switch service.answer(to: request) {
            case .response(let found): response = found
            case .events where request.method == "HEAD": response = .events
            case .events(let position):
                return .stream(EventStream(of: service.feed, from: position, now: ContinuousClock.now))
            }
        }
        return .bytes(response.bytes(isHead: request.method == "HEAD"))
    }

    private static func busy(_ text: String) -> [UInt8] {
        HTTPResponse.problem(HTTPProblem(503, text), fields: ["Retry-After: 1"]).bytes()
    }
}
