import CBPFShim
import Glibc
import SockArrayCore

/// One client: its request, then its answer or events. Only this type reads and writes the client's
/// descriptor, and no call blocks.
final class Connection {
    private enum State {
        case reading
        /// The request is complete and waits for its turn.
        case waiting(() -> Answer)
        case writing(ArraySlice<UInt8>)
        case streaming(EventStream)
        /// The answer is sent, and the client still sends. Closing the connection before that is read
        /// would reset it, and the client could lose the answer (RFC 9112, 9.6).
        case parting
        case done
    }

    private var state = State.reading
    /// Of the request or answer.
    private var deadline: ContinuousClock.Instant?
    /// When the client connected, or last took bytes of its answer.
    private(set) var lastProgress: ContinuousClock.Instant
    let codec: any ConnectionCodec
    private let stream: Descriptor
    private let limits: ConnectionLimits
    private var received = Request()
    /// The client sent more than its request.
    private var hasSurplus = false
    private var discarded = 0

    init(
        _ stream: consuming Descriptor, codec: any ConnectionCodec, limits: ConnectionLimits,
        now: ContinuousClock.Instant
    ) {
        rpa_peer(stream.number, &received.peer)
        // The kernel queues about twice this number of bytes for the client.
        if var bytes = limits.sendBuffer { setsockopt(stream.number, SOL_SOCKET, SO_SNDBUF, &bytes, 4) }
        self.stream = stream
        self.codec = codec
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
            // Only whether the client has left.
            case .waiting, .done: 0
            }
        return pollfd(fd: stream.number, events: Int16(events), revents: 0)
    }

    /// When the connection needs a turn although nothing has come.
    var nextDeadline: ContinuousClock.Instant? {
        switch state {
        case .waiting: .distantPast
        case .streaming(let events): events.isBehind ? .distantPast : min(events.nextSign, timeout ?? events.nextSign)
        case .reading, .writing, .parting, .done: timeout
        }
    }

    /// When the client's time is over; nil: the client waits for the agent.
    private var timeout: ContinuousClock.Instant? {
        guard case .streaming(let events) = state else { return deadline }
        return events.output.isEmpty ? nil : lastProgress + ConnectionLimits.streamTimeout
    }

    /// From when on the connection may be closed for a new client; nil: not before its deadline.
    var replaceableFrom: ContinuousClock.Instant? {
        switch state {
        case .parting, .done: .distantPast
        case .reading: lastProgress + limits.requestGrace
        case .writing: limits.answerGrace.map { lastProgress + $0 }
        case .waiting, .streaming: nil
        }
    }

    var isDone: Bool { if case .done = state { true } else { false } }
    var isReading: Bool { if case .reading = state { true } else { false } }
    var isWaiting: Bool { if case .waiting = state { true } else { false } }
    var isStreaming: Bool { if case .streaming = state { true } else { false } }
    /// Bytes of the answer that are still to be sent.
    var waitingBytes: Int { if case .writing(let output) = state { output.count } else { 0 } }
    /// Bytes that an unfinished answer takes in memory: those that are sent are part of it.
    var answerBytes: Int { if case .writing(let output) = state { output.endIndex } else { 0 } }

    /// Continues as far as possible without waiting.
    func proceed(_ revents: Int16 = 0, now: ContinuousClock.Instant) {
        switch state {
        case .reading: read(now: now)
        case .waiting: if revents & Int16(POLLHUP | POLLERR) != 0 { state = .done }
        case .writing: write(now: now)
        case .streaming:
            discard()
            sendEvents(now: now)
        case .parting: discard()
        case .done: break
        }
    }

    /// Carries out the request that waits, and releases it, which closes the descriptors that nobody
    /// took.
    func makeAnswer() -> Answer? {
        guard case .waiting(let answer) = state else { return nil }
        state = .done
        return answer()
    }

    func send(_ answer: [UInt8], now: ContinuousClock.Instant) {
        received = Request()
        deadline = now + limits.answerTime
        lastProgress = now
        state = .writing(answer[...])
        write(now: now)
    }

    func send(_ events: EventStream, now: ContinuousClock.Instant) {
        var events = events
        events.takeNew(now: now)
        lastProgress = now
        state = .streaming(events)
        sendEvents(now: now)
    }

    /// Sends the events that are new, and a sign of life if it is due.
    func continueStream(now: ContinuousClock.Instant) {
        guard case .streaming(var events) = state, events.isBehind || events.nextSign <= now else { return }
        // Releases the copy in `state`, so that the output isn't copied.
        state = .done
        events.takeNew(now: now)
        state = .streaming(events)
        sendEvents(now: now)
    }

    /// Closes the connection. What the kernel doesn't take of the last message at once is lost.
    func close(because reason: ConnectionRefusal, now: ContinuousClock.Instant) {
        if let message = codec.refusal(reason) {
            send(message, now: now)
            // An unread request would reset the connection, and the client could lose the message.
            if !isDone { discard() }
        }
        state = .done
    }

    /// Closes the connection, whatever is still to be sent.
    func abandon() { state = .done }

    /// Closes the connection if its time is over.
    func expire(now: ContinuousClock.Instant) {
        guard let timeout, timeout <= now else { return }
        if isReading, !received.bytes.isEmpty {
            close(because: .requestLate(limits.requestTime), now: now)
        }
        state = .done
    }

    private func read(now: ContinuousClock.Instant) {
        while isReading {
            let length = receive()
            if length == -Int(EAGAIN) { return }
            guard length >= 0 else {
                state = .done
                return
            }
            switch codec.read(received, atEnd: length == 0) {
            case .incomplete: if length == 0 { state = .done }
            case .refused(let answer):
                hasSurplus = true
                send(answer, now: now)
            case .complete(let answer):
                received = Request()
                deadline = nil
                state = .waiting(answer)
            }
        }
    }

    /// - Returns: how many bytes came, 0 at the end, or -errno.
    private func receive() -> Int {
        withUnsafeTemporaryAllocation(byteCount: 16_384, alignment: 1) { part in
            var numbers = [Int32](repeating: -1, count: Int(RPA_MAX_PASSED))
            var count = 0
            var wasTruncated: Int32 = 0
            // Without a buffer for descriptors, the kernel closes those that are passed.
            let length =
                limits.takesDescriptors
                ? rpa_receive(stream.number, part.baseAddress, part.count, &numbers, &count, &wasTruncated)
                : rpa_receive_bytes(stream.number, part.baseAddress, part.count)
            received.bytes += part.prefix(max(0, length))
            received.descriptors += numbers[..<count].map { PassedDescriptor(Descriptor(owning: $0)) }
            if wasTruncated != 0 { received.descriptorRefusal = reasonForTruncation() }
            return length
        }
    }

    /// Why the kernel dropped passed descriptors, for which there was a buffer of the size that it allows. It
    /// doesn't say why; another new descriptor fails for the same reason.
    private func reasonForTruncation() -> Int32 {
        let another = fcntl(stream.number, F_DUPFD_CLOEXEC, 0)
        guard another >= 0 else { return errno }
        Glibc.close(another)
        return EPERM
    }

    private func write(now: ContinuousClock.Instant) {
        guard case .writing(let output) = state else { return }
        state = .done
        guard let sent = send(bytes: output, now: now) else { return }
        if sent < output.count { state = .writing(output.dropFirst(sent)) } else { part(now: now) }
    }

    private func sendEvents(now: ContinuousClock.Instant) {
        guard case .streaming(var events) = state else { return }
        state = .done
        guard let sent = send(bytes: events.output, now: now) else { return }
        if sent > 0 { events.noteSent(sent, now: now) }
        if !events.isTooSlow { state = .streaming(events) }
    }

    /// - Returns: how many bytes the kernel took; nil if the client has left.
    private func send(bytes: ArraySlice<UInt8>, now: ContinuousClock.Instant) -> Int? {
        if bytes.isEmpty { return 0 }
        let sent = bytes.withUnsafeBytes { rpa_send(stream.number, $0.baseAddress, $0.count, nil, 0) }
        if sent == -Int(EAGAIN) { return 0 }
        guard sent > 0 else { return nil }
        lastProgress = now
        return sent
    }

    /// Ends a connection whose answer is sent, as soon as the client's surplus is read.
    private func part(now: ContinuousClock.Instant) {
        shutdown(stream.number, Int32(SHUT_WR))
        state = .parting
        deadline = now + ConnectionLimits.farewellTime
        discard()
        if !hasSurplus { state = .done }
    }

    /// Reads some of what the client sends beyond its request.
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
