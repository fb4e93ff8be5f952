import Glibc
import PoolModel
import TelemetryLab

/// A router's session, opened again 10 ms after it was refused or lost.
struct RouterSession {
    private enum State {
        /// Until then. What the collector has ended is closed at our end by then too.
        case closed(until: UInt64, lingering: InternetSocket? = nil)
        case connecting(InternetSocket)
        case up(InternetSocket)
    }

    let exporter: Int
    private let address: IPAddress
    private var state = State.closed(until: 0)
    /// Counts connects. Of the last one:
    private(set) var number: UInt32 = 0
    /// When it was called.
    private(set) var start: UInt64 = 0
    private static let pause: UInt64 = 10_000_000

    init(exporter: Int, address: IPAddress) {
        self.exporter = exporter
        self.address = address
    }

    /// The session that is up, or 0.
    var current: UInt32 { if case .up = state { number } else { 0 } }

    /// For poll(2); -1 if there is nothing to wait for.
    var wait: pollfd {
        switch state {
        case .closed: pollfd(fd: -1, events: 0, revents: 0)
        case .connecting(let socket): pollfd(fd: socket.number, events: Int16(POLLOUT), revents: 0)
        case .up(let socket): pollfd(fd: socket.number, events: Int16(POLLIN), revents: 0)
        }
    }

    func isDue(at now: UInt64) -> Bool { if case .closed(let until, _) = state { until <= now } else { false } }

    mutating func connect(at now: UInt64) throws {
        number += 1
        start = now
        let socket = try InternetSocket(.tcp, bind: address)
        _ = fcntl(socket.number, F_SETFL, O_NONBLOCK)
        var name = LoopbackName.of(port: 1_790)
        let result = withUnsafeBytes(of: &name) { raw in
            Glibc.connect(
                socket.number, raw.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(raw.count))
        }
        // A refusal may be the answer already.
        guard result == 0 || errno == EINPROGRESS || errno == ECONNREFUSED else {
            throw LabError("connect of \(address): errno \(errno)")
        }
        state = result < 0 && errno == ECONNREFUSED ? .closed(until: now + Self.pause) : .connecting(socket)
    }

    /// Handles an event that poll(2) reported for it.
    ///
    /// - Returns: what has become of it.
    mutating func proceed(at now: UInt64) -> LedgerEntry.Kind? {
        switch state {
        case .closed: return nil
        case .connecting(let socket):
            let opening = LedgerEntry(
                kind: LedgerEntry.Kind.began.rawValue, exporter: UInt32(exporter), session: number, sent: start)
            let isUp = withUnsafeBytes(of: opening) {
                send(socket.number, $0.baseAddress, LedgerEntry.sizeOnWire, Int32(MSG_NOSIGNAL))
            }
            state = isUp == LedgerEntry.sizeOnWire ? .up(socket) : .closed(until: now + Self.pause)
            return isUp == LedgerEntry.sizeOnWire ? .began : .refused
        case .up(let socket):
            // A collector says nothing: it can only have ended. Closed at once, our FIN
            // would be sent by this CPU, and may be ahead of the ACK that another one
            // has sent for the collector's: TIME_WAIT answers that old ACK by one of its
            // own (tcp_timewait_state_process), and as nothing is left here, that by RST.
            state = .closed(until: now + Self.pause, lingering: socket)
            return .lost
        }
    }

    mutating func close(reopeningAt time: UInt64) { state = .closed(until: time) }
}

/// 127.0.0.1, where everything is sent to.
enum LoopbackName {
    static func of(port: UInt16) -> sockaddr_in {
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return name
    }
}

/// Numbers that look random, the same in each run: a linear congruential generator
/// with the constants of Knuth's MMIX.
struct Lottery: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        // The high half of it is the better one.
        return state >> 32 | state << 32
    }
}
