import CBPFShim
import SockArrayCore

/// The protocol of a listening socket: parses requests and formats answers. A codec has no state of a
/// connection and touches no descriptor.
protocol ConnectionCodec {
    /// Parses what a client has sent until now.
    ///
    /// - Parameter atEnd: the client sends nothing more.
    func read(_ request: Request, atEnd: Bool) -> RequestProgress

    /// The last message to a client that isn't served; nil closes the connection without a message.
    func refusal(_ reason: ConnectionRefusal) -> [UInt8]?
}

enum RequestProgress {
    /// At the end of the client's bytes, this closes the connection without an answer.
    case incomplete
    /// The client's mistake, as an answer.
    case refused([UInt8])
    /// The closure carries out the request, when its turn comes.
    case complete(() -> Answer)
}

enum Answer {
    case bytes([UInt8])
    /// Continues until the client leaves.
    case stream(EventStream)
}

enum ConnectionRefusal {
    /// The server is full, and no connection may be closed for the new one.
    case serverFull
    /// The connection is closed for a new one before its request was complete.
    case replaced
    /// The time for the request is over.
    case requestLate(Duration)
    case tooManyStreams(limit: Int)
}

/// What one client has sent until now.
struct Request {
    var bytes: [UInt8] = []
    /// Passed descriptors. Those that nobody takes are closed with the request.
    var descriptors: [PassedDescriptor] = []
    /// The client sent more bytes or descriptors than a request may have.
    var isTooLarge = false
    /// The kernel didn't pass all descriptors of the client (MSG_CTRUNC), and why: EMFILE, this process's
    /// limit of open files; ENFILE, the machine's; EPERM, a security module.
    var descriptorRefusal: Int32?
    var peer = rpa_peer()
}

/// A descriptor that was passed with SCM_RIGHTS.
final class PassedDescriptor {
    private var descriptor: Descriptor?

    init(_ descriptor: consuming Descriptor) { self.descriptor = consume descriptor }

    /// Gives the descriptor away, once.
    func take() -> Descriptor? { descriptor.take() }
}
