import CBPFShim
import Glibc
import PoolModel
import PoolReport
import SockArrayCore

/// A request to an agent that doesn't block the caller while the answer is pending.
final class ControlExchange {
    private let client: ControlClient
    private let act: String
    private let request: ControlRequest
    private let stream: Descriptor
    let deadline: ContinuousClock.Instant
    private var answer: [UInt8] = []

    /// Sends the request.
    ///
    /// - Parameters:
    ///   - descriptors: remain owned by the caller, who may close them at once.
    ///   - connectTimeout: how long this waits for an agent that doesn't accept connections.
    init(
        _ request: ControlRequest, descriptors: [Int32] = [], to client: ControlClient,
        connectTimeout: Duration = .milliseconds(100), act: String
    ) throws(Failure) {
        self.client = client
        self.act = act
        self.request = request
        stream = try ControlClient(path: client.path, timeout: connectTimeout).connect(act: act)
        do {
            try client.write(try JSON.encode(request), descriptors, to: stream)
        } catch {
            throw client.gaveNoAnswer("\(error)", to: request, act: act)
        }
        // From here on: an agent with a long queue of connections has its whole time for the answer.
        deadline = ContinuousClock.now + client.timeout
        shutdown(stream.number, Int32(SHUT_WR))
        _ = fcntl(stream.number, F_SETFL, fcntl(stream.number, F_GETFL) | O_NONBLOCK)
    }

    /// The descriptor to poll for reading.
    var number: Int32 { stream.number }

    /// Reads as much of the answer as is available, without blocking.
    ///
    /// - Returns: nil while the answer is incomplete.
    func proceed() throws(Failure) -> ControlReply? {
        var part = [UInt8](repeating: 0, count: 65_536)
        while true {
            let length = read(stream.number, &part, part.count)
            if length == 0 { return try client.reply(in: answer, act: act) }
            if length > 0 {
                answer += part[..<length]
            } else if errno != EAGAIN {
                throw client.gaveNoAnswer("read: \(ErrnoName.of(errno))", to: request, act: act)
            } else if ContinuousClock.now >= deadline {
                throw client.gaveNoAnswer("for \(HoldText.seconds(client.timeout))", to: request, act: act)
            } else {
                return nil
            }
        }
    }
}
