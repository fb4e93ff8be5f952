import Foundation
import Glibc

/// Lines of JSON between the benchmark and a stage, in both directions.
final class Channel {
    private let descriptor: Int32
    private var waiting: [UInt8] = []

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    func send(_ value: some Encodable) throws {
        var line = [UInt8](try JSONEncoder().encode(value)) + [UInt8(ascii: "\n")]
        while !line.isEmpty {
            let count = Glibc.send(descriptor, line, line.count, Int32(MSG_NOSIGNAL))
            guard count > 0 else { throw BenchmarkError(description: "a stage has ended") }
            line.removeFirst(count)
        }
    }

    /// Nil if the other side has ended.
    func receive<Value: Decodable>(_ type: Value.Type) throws -> Value? {
        while true {
            if let end = waiting.firstIndex(of: UInt8(ascii: "\n")) {
                let line = Data(waiting[..<end])
                waiting.removeSubrange(...end)
                return try JSONDecoder().decode(type, from: line)
            }
            var bytes = [UInt8](repeating: 0, count: 65_536)
            let count = recv(descriptor, &bytes, bytes.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return nil }
            waiting += bytes[..<count]
        }
    }
}
