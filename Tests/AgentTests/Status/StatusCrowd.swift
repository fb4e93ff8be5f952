import Glibc
import PoolReport
import TelemetryLab

/// Hundreds of clients at a time that want the status server's worst: those that ask
/// for as much as there is and ask again, those that never read it, those that never
/// finish asking, and those that listen to events.
final class StatusCrowd {
    enum Kind: CaseIterable { case asking, notReading, half, listening }

    private(set) var answered = 0
    private(set) var refused = 0
    private var members: [(kind: Kind, client: StatusClient)] = []
    private var turn = 0

    init(count: Int) throws {
        for number in 0..<count {
            members.append(try Self.member(Kind.allCases[number % 4], number))
        }
    }

    /// Half of them over TCP.
    private static func member(_ kind: Kind, _ number: Int) throws -> (Kind, StatusClient) {
        let client = try StatusClient(number / 4 % 2 == 0 ? .unix : .tcp)
        switch kind {
        case .asking, .notReading:
            let sort = ExporterQuery.Key.allCases[number % 5].rawValue
            client.ask("/exporters?limit=1000&sort=\(sort)")
        case .half: client.send("GET /exporters HTTP/1.1\r\nHost: a\r\n")
        case .listening: client.ask("/events?after=0")
        }
        return (kind, client)
    }

    /// Reads what has come for some of them, and restarts those that are done.
    func pump() throws {
        for _ in 0..<50 {
            turn = (turn + 1) % members.count
            let (kind, client) = members[turn]
            if kind == .notReading { continue }
            client.readWaiting()
            guard client.isAtEnd else { continue }
            if let answer = StatusClient.Answer(client.received) {
                if answer.status == 200 { answered += 1 } else { refused += 1 }
            }
            members[turn] = try Self.member(kind, turn)
        }
    }

    /// All go at once, in the middle of what they were sent.
    func leave() { members = [] }
}
