import CBPFShim
import Glibc
import SockArrayCore

/// Something that may wait for a disk, on a thread of its own: the agent's loop
/// waits for nothing.
final class DiskJob<Result: Sendable> {
    private final class Box: @unchecked Sendable {
        let body: @Sendable () -> Result
        let event: Int32
        /// Written by the thread, read when it was joined.
        var result: Result?

        init(_ body: @escaping @Sendable () -> Result, event: Int32) {
            self.body = body
            self.event = event
        }
    }

    private let event: Descriptor
    private let box: Box
    private var thread = pthread_t()
    private var isJoined: Bool

    /// Where no thread can be started, it is done at once, here.
    init(_ body: @escaping @Sendable () -> Result) {
        let event = rpa_event()
        self.event = Descriptor(owning: event)
        box = Box(body, event: event)
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, 256 << 10)
        let argument = Unmanaged.passRetained(box)
        let started =
            event < 0
            ? EMFILE
            : pthread_create(&thread, &attributes, { raw in
                let box = Unmanaged<Box>.fromOpaque(raw!).takeRetainedValue()
                box.result = box.body()
                rpa_raise_event(box.event)
                return nil
            }, argument.toOpaque())
        isJoined = started != 0
        guard started != 0 else { return }
        argument.release()
        box.result = body()
        if event >= 0 { rpa_raise_event(event) }
    }

    deinit { if !isJoined { pthread_join(thread, nil) } }

    /// Readable when it is done.
    var wait: pollfd { pollfd(fd: event.number, events: Int16(POLLIN), revents: 0) }

    /// The result, if it is done; asked for once.
    func take() -> Result? {
        if event.number >= 0 {
            var now = wait
            guard poll(&now, 1, 0) == 1 else { return nil }
        }
        if !isJoined { pthread_join(thread, nil) }
        isJoined = true
        return box.result
    }
}
