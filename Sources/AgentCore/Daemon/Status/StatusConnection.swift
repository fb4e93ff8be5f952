import CBPFShim
import Glibc
import SockArrayCore

/// One client of the status server: its request, then its answer or events.
final class StatusConnection {
    enum State {
        case reading
        /// Its request is whole, and waits for its turn.
        case waiting(HTTPRequest)
        case writing(ArraySlice<UInt8>)
        case streaming(EventStream)
        /// It has its answer and sends on; a connection that is closed before it has
        /// read that would be reset, and the answer with it (RFC 9112, 9.6).
        case parting
        case done
    }

    private(set) var state = State.reading
    /// CLOCK_MONOTONIC in nanoseconds; nil: it waits for us.
    private(set) var deadline: UInt64?
    /// When it last took something.
    private(set) var lastProgress: UInt64
    /// It came over a loopback address, where Host tells of strangers.
    let checksHost: Bool
    private let stream: Descriptor
    private let limits: StatusLimits
    private var received: [UInt8] = []
    /// It sent more than its request.
    private var hasSurplus = false
    private var discarded = 0

    init(_ stream: consuming Descriptor, checksHost: Bool, limits: StatusLimits, now: UInt64) {
        self.stream = stream
        self.checksHost = checksHost
        self.limits = limits
        lastProgress = now
        deadline = now + limits.requestTime
    }

    var wait: pollfd {
        let events: Int32 =
            switch state {
            case .reading, .parting: POLLIN
            case .writing: POLLOUT
            case .streaming(let events): events.output.isEmpty ? POLLIN : POLLIN | POLLOUT
            // Only that it has gone.
            case .waiting, .done: 0
            }
        return pollfd(fd: stream.number, events: Int16(events), revents: 0)
    }

    var isDone: Bool { if case .done = state { true } else { false } }
    var isReading: Bool { if case .reading = state { true } else { false } }
    var isParting: Bool { if case .parting = state { true } else { false } }
    var isStreaming: Bool { if case .streaming = state { true } else { false } }
    var request: HTTPRequest? { if case .waiting(let request) = state { request } else { nil } }
    var waitingBytes: Int { if case .writing(let output) = state { output.count } else { 0 } }

    /// Of an answer that isn't sent whole, also those that were sent: they are kept.
    var answerBytes: Int { if case .writing(let output) = state { output.endIndex } else { 0 } }

    /// Goes on as far as it can without waiting.
    func proceed(_ revents: Int16, now: UInt64) {
        switch state {
        case .reading: read(now: now)
        case .waiting: if revents & Int16(POLLHUP | POLLERR) != 0 { state = .done }
        case .writing: write(now: now)
        case .streaming:
            discard()
            if isStreaming { sendEvents(now: now) }
        case .parting: discard()
        case .done: break
        }
    }

    func answer(_ response: HTTPResponse, now: UInt64) {
        let isHead = request?.method == "HEAD"
        state = .writing(response.bytes(isHead: isHead)[...])
        deadline = now + limits.answerTime
        lastProgress = now
        received = []
        write(now: now)
    }

    /// Sends events from there on.
    func stream(_ feed: EventFeed, from position: EventFeed.Position, now: UInt64) {
        var events = EventStream(at: position, now: now)
        events.take(from: feed, now: now)
        received = []
        deadline = nil
        lastProgress = now
        state = .streaming(events)
        sendEvents(now: now)
    }

    /// - Parameter feed: of what has happened since the last time.
    func continueStream(from feed: EventFeed, now: UInt64) {
        guard case .streaming(var events) = state, events.isBehind(feed) || events.nextSign <= now else { return }
        // Not two copies of what waits.
        state = .done
        events.take(from: feed, now: now)
        state = .streaming(events)
        sendEvents(now: now)
    }

    /// A last word to a client that is not to be served.
    func refuse(_ response: HTTPResponse, now: UInt64) {
        answer(response, now: now)
        // It may have sent its request: to be reset would cost it the answer.
        if !isDone { discard() }
        state = .done
    }

    /// What it hasn't taken is lost to it.
    func giveUp() { state = .done }

    func expire(now: UInt64) {
        if case .streaming(let events) = state, !events.output.isEmpty, lastProgress + limits.streamTimeout <= now {
            state = .done
        }
        guard let deadline, deadline <= now else { return }
        if isReading, !received.isEmpty {
            let seconds = limits.requestTime / 1_000_000_000
            refuse(.problem(HTTPProblem(408, "the request was not whole after \(seconds) s")), now: now)
        }
        state = .done
    }

    /// When it wants to be looked at, without anything that came.
    var nextDeadline: UInt64? {
        guard case .streaming(let events) = state else { return deadline }
        return events.output.isEmpty ? events.nextSign : min(events.nextSign, lastProgress + limits.streamTimeout)
    }

    private func read(now: UInt64) {
        withUnsafeTemporaryAllocation(byteCount: HTTPRequestReader.headLimit, alignment: 1) { part in
            let length = rpa_receive_bytes(stream.number, part.baseAddress, part.count)
            if length == -Int(EAGAIN) { return }
            guard length >= 0 else {
                state = .done
                return
            }
            received += part[..<length]
            switch HTTPRequestReader.read(received) {
            case .incomplete where length > 0: break
            case .incomplete where received.isEmpty: state = .done
            case .incomplete: answer(.problem(HTTPProblem(400, "half a request")), now: now)
            case .refused(let problem):
                hasSurplus = true
                answer(.problem(problem), now: now)
            case .request(let request):
                received = []
                deadline = nil
                state = .waiting(request)
            }
        }
    }

    private func write(now: UInt64) {
        guard case .writing(var output) = state else { return }
        state = .done
        guard let sent = send(output, now: now) else { return }
        output = output.dropFirst(sent)
        if output.isEmpty { part(now: now) } else { state = .writing(output) }
    }

    private func sendEvents(now: UInt64) {
        guard case .streaming(var events) = state else { return }
        state = .done
        guard let sent = send(events.output, now: now) else { return }
        if sent > 0 { events.noteSent(sent, now: now) }
        if !events.isTooSlow { state = .streaming(events) }
    }

    /// - Returns: how many bytes were taken; nil: the client has gone.
    private func send(_ bytes: ArraySlice<UInt8>, now: UInt64) -> Int? {
        var total = 0
        while total < bytes.count {
            let sent = bytes.dropFirst(total).withUnsafeBytes {
                rpa_send(stream.number, $0.baseAddress, $0.count, nil, 0)
            }
            if sent == -Int(EAGAIN) { break }
            guard sent > 0 else { return nil }
            total += sent
            lastProgress = now
        }
        return total
    }

    /// The answer is sent.
    private func part(now: UInt64) {
        rpa_end_sending(stream.number)
        state = .parting
        deadline = now + limits.farewellTime
        discard()
        // All that it had to say was its request.
        if isParting, !hasSurplus { state = .done }
    }

    /// Throws away what it sends, some of it for each turn.
    private func discard() {
        withUnsafeTemporaryAllocation(byteCount: 16_384, alignment: 1) { bytes in
            let length = rpa_receive_bytes(stream.number, bytes.baseAddress, bytes.count)
            if length == -Int(EAGAIN) { return }
            if length > 0 { hasSurplus = true }
            discarded += max(0, length)
            if length <= 0 || discarded > 1 << 20 { state = .done }
        }
    }
}
