import Glibc
import SockArrayCore

/// Asks a running agent again and again for its status and its last events, and never
/// waits for it.
final class StatusPoll {
    enum News {
        case status(PoolStatus)
        case events([PoolEvent])
        case trouble(Failure)
    }

    /// Events that a frame has room for at most.
    private static let eventCount = 64
    private let client: ControlClient
    private let act = "show the status"
    private var exchange: ControlExchange?
    private var asksForEvents = false

    init(_ client: ControlClient) {
        self.client = ControlClient(path: client.path, timeout: .seconds(10))
    }

    /// What poll(2) tells of an answer.
    var answer: Int32? { exchange?.number }

    /// Asks, unless an answer is still to come.
    func ask() -> News? { exchange == nil ? ask(.status) : nil }

    /// What has come meanwhile.
    func proceed() -> News? {
        guard let exchange else { return nil }
        do {
            guard let reply = try exchange.proceed() else { return nil }
            self.exchange = nil
            switch reply {
            case .status(let status):
                // One that can't be asked for events is not asked: the status is what counts.
                _ = ask(.events(last: Self.eventCount))
                return .status(status)
            case .events(let events): return .events(events)
            // An older agent knows no events.
            case .failure where asksForEvents: return .events([])
            default: return .trouble(reply.unexpected(act: act))
            }
        } catch {
            self.exchange = nil
            return .trouble(error)
        }
    }

    private func ask(_ request: ControlRequest) -> News? {
        do {
            exchange = try ControlExchange(request, to: client, act: act)
            if case .events = request { asksForEvents = true } else { asksForEvents = false }
            return nil
        } catch {
            return .trouble(error)
        }
    }
}
