import CBPFShim
import Glibc
import PoolModel
import TelemetryLab
import TestSupport

/// A client of the status server, over the Unix socket or TCP.
final class StatusClient {
    enum Place: Sendable {
        case unix, tcp

        /// The TCP port of the tests' agents, if their configuration has one.
        static let port: UInt16 = 9_477
        static let loopback = IPAddress.v4(0x7f00_0001)
        static let configuration = "status_http: 127.0.0.1:\(port)"
    }

    struct Answer {
        let status: Int
        /// Lines of the head after the first.
        let fields: [String]
        let body: String

        init?(_ bytes: [UInt8]) {
            let text = String(decoding: bytes, as: UTF8.self)
            guard let end = text.firstRange(of: "\r\n\r\n") else { return nil }
            let head = text[..<end.lowerBound].split(separator: "\r\n")
            guard let words = head.first?.split(separator: " "), words.first == "HTTP/1.1", words.count > 2,
                let status = Int(words[1])
            else { return nil }
            self.status = status
            fields = head.dropFirst().map { String($0) }
            body = String(text[end.upperBound...])
        }
    }

    private let stream: Stream
    private(set) var received: [UInt8] = []
    private(set) var isAtEnd = false

    private enum Stream {
        case unix(PassedNumber)
        case tcp(InternetSocket)
    }

    /// Closed with its object, through the gate of those that tests close.
    private final class PassedNumber {
        let number: Int32
        init(_ number: Int32) { self.number = number }
        deinit { close(number) }
    }

    /// - Parameter receiveBuffer: bytes that may wait unread (SO_RCVBUF), over TCP.
    init(_ place: Place, receiveBuffer: Int32? = nil) throws {
        switch place {
        case .unix:
            let number = rpa_unix_connect(AgentFixture.statusPath, 60_000)
            guard number >= 0 else { throw LabError("connect \(AgentFixture.statusPath): errno \(-number)") }
            stream = .unix(PassedNumber(number))
        case .tcp:
            let socket = try InternetSocket(.tcp, family: AF_INET)
            if let receiveBuffer { try socket.set(SOL_SOCKET, SO_RCVBUF, receiveBuffer) }
            try socket.connect(Place.loopback, Place.port)
            stream = .tcp(socket)
        }
    }

    var number: Int32 {
        switch stream {
        case .unix(let stream): stream.number
        case .tcp(let socket): socket.number
        }
    }

    /// - Returns: false if the server takes no more.
    @discardableResult
    func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        Glibc.send(number, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
    }

    func ask(_ target: String, method: String = "GET", fields: [String] = []) {
        send(
            (["\(method) \(target) HTTP/1.1", "Host: 127.0.0.1:\(Place.port)"] + fields).joined(separator: "\r\n")
                + "\r\n\r\n")
    }

    /// Takes what has come, without waiting.
    func readWaiting() {
        var part = [UInt8](repeating: 0, count: 65_536)
        while !isAtEnd {
            let length = recv(number, &part, part.count, Int32(MSG_DONTWAIT))
            if length < 0, errno == EAGAIN { return }
            guard length > 0 else {
                isAtEnd = true
                return
            }
            received += part[..<length]
        }
    }

    /// The part of the answer that arrived before the connection ended.
    func answer(within limit: Duration = .seconds(20)) throws -> Answer {
        waitUntil(limit, every: .milliseconds(1)) {
            readWaiting()
            return isAtEnd
        }
        guard isAtEnd, let answer = Answer(received) else {
            throw LabError("no whole answer: \(String(decoding: received.prefix(200), as: UTF8.self))")
        }
        return answer
    }

    static func get(_ target: String, over place: Place = .unix, fields: [String] = []) throws -> Answer {
        let client = try StatusClient(place)
        client.ask(target, fields: fields)
        return try client.answer()
    }

    static func exchange(_ text: String, over place: Place = .unix) throws -> Answer {
        let client = try StatusClient(place)
        client.send(text)
        shutdown(client.number, Int32(SHUT_WR))
        return try client.answer()
    }
}
