import Glibc
import PoolModel
import PoolReport

/// Polls a running agent for its status and its last events, without blocking.
final class StatusPoll {
    enum News {
        case status(PoolStatus)
        case events([PoolEvent])
        case trouble(Failure)
    }

    /// The maximum number of events in a frame.
    private static let eventCount = 64
    private let client: ControlClient
    private let act = "show the status"
    private var exchange: ControlExchange?
    private var asksForEvents = false

    init(_ client: ControlClient) {
        self.client = ControlClient(path: client.path, timeout: ControlClient.statusTimeout)
    }

    /// The descriptor to poll for an answer; nil if no request is in progress.
    var answer: Int32? { exchange?.number }

    /// Sends a request, unless one is in progress.
    func ask() -> News? { exchange == nil ? ask(.status) : nil }

    /// Returns what has arrived since the last call.
    func proceed() -> News? {
        guard let exchange else { return nil }
        do {
            guard let reply = try exchange.proceed() else { return nil }
            self.exchange = nil
            switch reply {
            case .status(let status):
                // A failure to ask for events is ignored, because the status matters more.
                _ = ask(.events(last: Self.eventCount))
                return .status(status)
            case .events(let events): return .events(events)
            // An older agent doesn't know the request for events.
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
