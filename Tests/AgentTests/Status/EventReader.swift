import PoolReport
import TelemetryLab

/// Reads GET /events as a browser does.
final class EventReader {
    struct Message: Equatable {
        var id: String?
        var event: String?
        var data: String?
    }

    let client: StatusClient

    /// Returns when the head of the answer has come.
    ///
    /// - Throws: with the answer's status and text, if it isn't a stream.
    init(_ place: StatusClient.Place = .unix, target: String = "/events", lastID: String? = nil) throws {
        client = try StatusClient(place)
        client.ask(target, fields: ["Accept: text/event-stream"] + (lastID.map { ["Last-Event-ID: \($0)"] } ?? []))
        waitUntil(.seconds(20), every: .milliseconds(2)) {
            client.readWaiting()
            return client.isAtEnd || text.contains("retry: 2000\n\n")
        }
        guard text.hasPrefix("HTTP/1.1 200 OK\r\n"), text.contains("Content-Type: text/event-stream\r\n") else {
            throw LabError(text)
        }
    }

    private var text: String { String(decoding: client.received, as: UTF8.self) }

    /// The server has ended it.
    var isAtEnd: Bool {
        client.readWaiting()
        return client.isAtEnd
    }

    var comments: Int {
        client.readWaiting()
        return text.occurrences(of: "\n:\n\n") + text.occurrences(of: "\n\n:\n\n")
    }

    /// Whole messages that have come.
    var messages: [Message] {
        client.readWaiting()
        guard let head = text.firstRange(of: "\r\n\r\n") else { return [] }
        var messages: [Message] = []
        for block in text[head.upperBound...].split(separator: "\n\n", omittingEmptySubsequences: false).dropLast() {
            var message = Message()
            for line in block.split(separator: "\n") {
                let parts = line.split(separator: ": ", maxSplits: 1)
                guard parts.count == 2 else { continue }
                switch parts[0] {
                case "id": message.id = String(parts[1])
                case "event": message.event = String(parts[1])
                case "data": message.data = String(parts[1])
                default: break
                }
            }
            if message.data != nil { messages.append(message) }
        }
        return messages
    }

    func events() throws -> [PoolEvent] {
        try messages.filter { $0.event != "missed" }.map { try JSONText.decode(PoolEvent.self, from: $0.data ?? "") }
    }

    /// - Returns: false if it didn't come in time.
    func waits(for kinds: [PoolEvent.Kind], of collector: String) -> Bool {
        waitUntil(.seconds(30)) { ((try? events()) ?? []).filter { $0.collector == collector }.map(\.kind) == kinds }
    }
}
