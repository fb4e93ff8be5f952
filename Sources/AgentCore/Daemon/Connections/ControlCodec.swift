import CBPFShim

/// Carries out the requests of the control socket.
protocol RequestService: AnyObject {
    /// Maximum bytes of a request.
    var requestLimit: Int { get }
    /// Maximum number of simultaneous connections.
    var connectionLimit: Int { get }
    /// Time limit for a request, and again for its answer.
    var timeLimitNanoseconds: UInt64 { get }

    /// The answer, or nil while the request is incomplete.
    ///
    /// - Parameter atEnd: no more bytes will come.
    func answer(_ request: Request, atEnd: Bool) -> [UInt8]?
}

/// The protocol of the control socket: one request for each connection, which ends when the client
/// shuts down its writing half.
struct ControlCodec: ConnectionCodec {
    let service: any RequestService

    func read(_ request: Request, atEnd: Bool) -> RequestProgress {
        var request = request
        if request.bytes.count > service.requestLimit || request.descriptors.count > Int(RPA_MAX_PASSED) {
            request.isTooLarge = true
        }
        guard atEnd || request.isTooLarge else { return .incomplete }
        return .complete { [service, request] in .bytes(service.answer(request, atEnd: true) ?? []) }
    }

    func refusal(_ reason: ConnectionRefusal) -> [UInt8]? { nil }
}

extension ConnectionLimits {
    /// The control socket: clients are privileged, and each request is carried out in the turn in which
    /// it is complete. A client has 200 ms for its request, also on a busy machine, before it may give
    /// way to a new client.
    static func control(_ service: any RequestService) -> ConnectionLimits {
        ConnectionLimits(
            connections: service.connectionLimit, takesDescriptors: true, requestGrace: 200_000_000,
            answerGrace: 200_000_000, requestTime: service.timeLimitNanoseconds,
            answerTime: service.timeLimitNanoseconds)
    }
}
