import CBPFShim
import CLoad
import Glibc

/// A collector of TCP sessions that only counts. It answers a new session with one byte.
final class StreamCollector {
    private let listener: Int32
    private let ledger: Ledger
    private let events = load_events()
    private let buffer = UnsafeMutableRawPointer.allocate(byteCount: 1 << 18, alignment: 64)
    private var sessions: [Int32: MessageFraming] = [:]

    init(_ listener: Int32, _ ledger: Ledger) {
        self.listener = listener
        self.ledger = ledger
    }

    /// Serves until the process is killed.
    func serve() throws -> Never {
        let flags = fcntl(listener, F_GETFL)
        _ = fcntl(listener, F_SETFL, flags | O_NONBLOCK)
        load_watch(events, listener)
        var ready = [Int32](repeating: 0, count: Int(LOAD_BATCH))
        while true {
            let count = load_wait(events, &ready)
            if count == -EINTR { continue }
            try bench("epoll_wait", count)
            for descriptor in ready.prefix(Int(count)) {
                if descriptor == listener { acceptAll() } else { read(descriptor) }
            }
        }
    }

    private func acceptAll() {
        while true {
            let session = load_accept(listener)
            guard session >= 0 else { return }
            var greeting: UInt8 = 1
            send(session, &greeting, 1, Int32(MSG_NOSIGNAL))
            sessions[session] = MessageFraming()
            ledger.noteConnection()
            load_watch(events, session)
        }
    }

    /// Reads once. epoll reports a session with more data again.
    private func read(_ session: Int32) {
        let count = recv(session, buffer, 1 << 18, 0)
        if count > 0 {
            let now = rpa_monotonic_ns()
            sessions[session]?.take(UnsafeRawBufferPointer(start: buffer, count: count)) { header in
                ledger.note(header, length: 0, at: now)
            }
            ledger.noteBytes(count)
        } else if count == 0 || errno != EAGAIN {
            close(session)
            sessions[session] = nil
        }
    }
}

/// Finds the beginnings of the messages in a stream.
private struct MessageFraming {
    /// The number of missing bytes of the present message.
    private var left = 0
    /// The first bytes of a message whose header isn't complete yet.
    private var begun: [UInt8] = []

    mutating func take(_ bytes: UnsafeRawBufferPointer, _ body: (MessageHeader) -> Void) {
        var place = 0
        while place < bytes.count {
            if left > 0 {
                let step = min(left, bytes.count - place)
                left -= step
                place += step
                continue
            }
            let missing = MessageHeader.length - begun.count
            let available = min(missing, bytes.count - place)
            begun.append(contentsOf: bytes[place..<place + available])
            place += available
            guard begun.count == MessageHeader.length else { return }
            begun.withUnsafeBytes {
                body(MessageHeader($0.baseAddress!))
                left = max(0, MessageHeader.messageLength($0.baseAddress!) - MessageHeader.length)
            }
            begun.removeAll(keepingCapacity: true)
        }
    }
}
