import Glibc
import PoolReport

/// The pool's events as server-sent events (WHATWG HTML, 9.2).
///
/// An event has an id like `6920a1b2c4f-17`: the start time of this agent, and the number of the event
/// since then. A reader that reconnects with the last id that it received gets the later events; with
/// an id of a previous agent, it gets all events of this one.
final class EventFeed {
    /// How far a reader has read.
    struct Position: Equatable {
        /// The number of the last event that the reader has.
        var number: UInt64
        /// The reader's last event came from another agent.
        var isNew = false
    }

    private let pool: RunningPool
    /// The start time of this agent, as in the ids.
    private let start: String
    /// Formatted messages of the kept events, by the number of the event.
    private var messages: [UInt64: [UInt8]] = [:]

    init(pool: RunningPool) {
        self.pool = pool
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        start = String(UInt64(time.tv_sec) * 1_000 + UInt64(time.tv_nsec / 1_000_000), radix: 16)
    }

    var lastNumber: UInt64 { pool.events.lastID }

    /// The position in the field Last-Event-ID, which browsers send when they reconnect, or else in the
    /// parameter `after`. Without either, the stream begins with the next event.
    ///
    /// - Throws: 400 if `after` isn't an id.
    func position(for request: HTTPRequest) throws(HTTPProblem) -> Position {
        if let id = request.values(of: "last-event-id").last, !id.isEmpty {
            return position(after: id) ?? Position(number: 0, isNew: true)
        }
        guard let id = request.parameters.first(where: { $0.name == "after" })?.value else {
            return Position(number: lastNumber)
        }
        guard let position = position(after: id) else {
            throw HTTPProblem(
                400, "after \(id.shown) is not the id of an event; use one that came as id:, or 0 for all")
        }
        return position
    }

    /// - Parameter id: `17`, or `6920a1b2c4f-17`. Other texts give nil.
    private func position(after id: String) -> Position? {
        let parts = id.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count <= 2, let text = parts.last, let number = UInt64(text), "\(number)" == text,
            parts.count == 1 || UInt64(parts[0], radix: 16) != nil
        else { return nil }
        guard parts.count == 1 || parts[0] == start, number <= lastNumber else {
            return Position(number: 0, isNew: true)
        }
        return Position(number: number)
    }

    /// The messages that the reader doesn't have, and moves the position behind them. If the reader
    /// missed events, the first message reports it.
    func messages(for position: inout Position) -> [[UInt8]] {
        guard position.isNew || position.number < lastNumber else { return [] }
        let events = pool.events.after(position.number)
        var messages: [[UInt8]] = []
        if position.isNew {
            messages.append(
                Self.missed(MissedEvents(missed: nil, text: "the agent was started again: what it has since")))
        } else if let missed = MissedEvents(after: position.number, last: lastNumber, kept: events.count) {
            messages.append(Self.missed(missed))
        }
        position = Position(number: lastNumber)
        forgetMessages()
        return messages + events.map(message)
    }

    /// Releases the messages of events that are no longer kept.
    private func forgetMessages() {
        guard messages.count > 2 * EventLog.capacity else { return }
        let kept = Set(pool.events.after(0).map(\.id))
        messages = messages.filter { kept.contains($0.key) }
    }

    private func message(of event: PoolEvent) -> [UInt8] {
        if let message = messages[event.id] { return message }
        let message = Self.message(["id: \(start)-\(event.id)", "event: \(event.kind.rawValue)"], event)
        messages[event.id] = message
        return message
    }

    private static func missed(_ events: MissedEvents) -> [UInt8] { message(["event: missed"], events) }

    private static func message(_ lines: [String], _ data: some Encodable) -> [UInt8] {
        // The JSON has no line breaks.
        let text = (try? JSON.text(data)) ?? "{}"
        return Array((lines + ["data: \(text)"]).joined(separator: "\n").utf8) + Array("\n\n".utf8)
    }
}
