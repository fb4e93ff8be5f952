import CBPFShim
import Glibc
import SockArrayCore

/// Something that may wait for a disk, on a thread of its own: the agent's loop
/// waits for nothing.
final class BackgroundIO<Result: Sendable> {
    private final class Box: @unchecked Sendable {
        /// Written by the thread, read when it was joined.
        var result: Result?
    }

    /// Without one, a number below 0.
    private let event: Descriptor
    private let box = Box()
    private var thread: pthread_t?
    /// Why it has no thread of its own: positive errno.
    let refusal: Int32?

    /// Where no thread can be started, or none could tell its end, it is done at once, here.
    ///
    /// - Parameter number: an eventfd, which is closed with it, or -errno.
    init(tellingBy number: Int32 = rpa_event(), _ body: @escaping @Sendable () -> Result) {
        event = Descriptor(owning: number)
        let box = self.box
        let work: @Sendable () -> Void = {
            box.result = body()
            rpa_raise_event(number)
        }
        var error = -number
        if number >= 0 { (thread, error) = DiskThread.start(work) }
        refusal = thread == nil ? error : nil
        if thread == nil { work() }
    }

    deinit { join() }

    private func join() {
        if let thread { pthread_join(thread, nil) }
        thread = nil
    }

    /// Readable when it is done; of no effect where it has a deadline.
    var wait: pollfd { pollfd(fd: event.number, events: Int16(POLLIN), revents: 0) }

    /// Past, where it is done and nothing tells.
    var deadline: UInt64? { event.number < 0 ? 0 : nil }

    /// Waits for its end.
    ///
    /// - Parameter deadline: nanoseconds of the monotonic clock.
    func isDone(by deadline: UInt64) -> Bool {
        guard event.number >= 0 else { return true }
        while true {
            var done = wait
            let now = rpa_monotonic_ns()
            if poll(&done, 1, deadline <= now ? 0 : Int32((deadline - now) / 1_000_000 + 1)) == 1 { return true }
            guard now < deadline else { return false }
        }
    }

    /// The result, if it is done; asked for once.
    func take() -> Result? {
        guard isDone(by: 0) else { return nil }
        join()
        return box.result
    }
}

private enum DiskThread {
    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// - Returns: to be joined; nil: there can be none, with the errno.
    static func start(_ body: @escaping @Sendable () -> Void) -> (pthread_t?, Int32) {
        let work = Unmanaged.passRetained(Work(body))
        var thread = pthread_t()
        // A stack of the usual size is address space: what isn't touched is no memory. A
        // smaller one is refused where the program has more thread-local variables than fit.
        let error = pthread_create(&thread, nil, run, work.toOpaque())
        guard error == 0 else {
            work.release()
            return (nil, error)
        }
        return (thread, 0)
    }

    private static let run: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { raw in
        Unmanaged<Work>.fromOpaque(raw!).takeRetainedValue().body()
        return nil
    }
}
