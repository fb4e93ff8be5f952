import CBPFShim

/// The protocol of the control socket: one request for each connection, which ends when the client
/// shuts down its writing half.
struct ControlCodec: ConnectionCodec {
    let service: ControlService

    func read(_ request: Request, atEnd: Bool) -> RequestProgress {
        var request = request
        if request.bytes.count > ControlService.requestLimit || request.descriptors.count > Int(RPA_MAX_PASSED) {
            request.isTooLarge = true
        }
        guard atEnd || request.isTooLarge || request.descriptorRefusal != nil else { return .incomplete }
        return .complete { [service, request] in .bytes(service.answer(request)) }
    }

    func refusal(_ reason: ConnectionRefusal) -> [UInt8]? { nil }
}
