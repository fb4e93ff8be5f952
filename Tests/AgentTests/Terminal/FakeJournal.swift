import Glibc
import TelemetryLab

@testable import AgentCore

/// journald's socket, read by the test.
final class FakeJournal {
    private let number: Int32

    init() throws {
        number = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: JournalMessage.path.utf8) }
        let result = withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw LabError("bind: errno \(errno)") }
    }

    /// The next record, waiting for it; nil if it doesn't arrive.
    func next() -> String? {
        var record: String?
        waitUntil(.seconds(20)) {
            record = waiting()
            return record != nil
        }
        return record
    }

    /// The next record, if it has arrived.
    func waiting() -> String? {
        var part = [UInt8](repeating: 0, count: 65_536)
        let length = recv(number, &part, part.count, 0)
        return length < 0 ? nil : String(decoding: part[..<length], as: UTF8.self)
    }

    func close() {
        Glibc.close(number)
        unlink(JournalMessage.path)
    }
}
