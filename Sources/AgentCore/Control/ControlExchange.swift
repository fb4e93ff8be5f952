import CBPFShim
import Glibc
import SockArrayCore

/// One request to an agent, under way: for who has other things to do meanwhile.
final class ControlExchange {
    private let client: ControlClient
    private let act: String
    private let stream: Descriptor
    private let deadline: ContinuousClock.Instant
    private var answer: [UInt8] = []

    /// Sends it. An agent that doesn't take connections costs 100 ms, no more.
    ///
    /// - Parameter descriptors: they stay the caller's, and may be closed at once.
    init(
        _ request: ControlRequest, descriptors: [Int32] = [], to client: ControlClient, act: String
    ) throws(Failure) {
        self.client = client
        self.act = act
        deadline = ContinuousClock.now + client.timeout
        stream = try ControlClient(path: client.path, timeout: .milliseconds(100)).connect(act: act)
        do {
            try client.write(try JSON.encode(request), descriptors, to: stream)
        } catch {
            throw client.gaveNoAnswer("\(error)", act: act)
        }
        shutdown(stream.number, Int32(SHUT_WR))
        _ = fcntl(stream.number, F_SETFL, fcntl(stream.number, F_GETFL) | O_NONBLOCK)
    }

    /// To be polled for what can be read.
    var number: Int32 { stream.number }

    /// Goes on as far as it can without waiting.
    ///
    /// - Returns: nil while the answer isn't whole.
    func proceed() throws(Failure) -> ControlReply? {
        var part = [UInt8](repeating: 0, count: 65_536)
        while true {
            let length = read(stream.number, &part, part.count)
            if length == 0 { return try client.reply(in: answer, act: act) }
            if length > 0 {
                answer += part[..<length]
            } else if errno != EAGAIN {
                throw client.gaveNoAnswer("read: \(ErrnoName.of(errno))", act: act)
            } else if ContinuousClock.now >= deadline {
                throw client.gaveNoAnswer("for \(client.timeout)", act: act)
            } else {
                return nil
            }
        }
    }
}
