import CBPFShim
import Glibc
import SockArrayCore

/// Work that the agent's loop has started and waits for.
protocol PendingWork {
    /// Readable when the work is done, or needs the loop.
    var waits: [pollfd] { get }
    /// When the work needs the loop in any case.
    var deadline: ContinuousClock.Instant? { get }
    /// Why the work has no thread of its own, as a positive errno; nil if it has one or needs none.
    var refusal: Int32? { get }
}

/// Work that may wait for a disk, on a thread of its own, because the agent's loop must not block.
final class BackgroundIO<Result: Sendable>: PendingWork {
    private final class Box: @unchecked Sendable {
        /// Written by the thread, and read after the thread is joined.
        var result: Result?
    }

    /// The eventfd that the thread raises at its end; negative if there is none.
    private let event: Descriptor
    private let box = Box()
    private var thread: pthread_t?
    let refusal: Int32?

    /// Starts the work. Without a thread or an eventfd, the caller's thread does the work at once.
    ///
    /// - Parameter number: an eventfd, which this object owns, or -errno.
    init(tellingBy number: Int32 = rpa_event(), _ body: @escaping @Sendable () -> Result) {
        event = Descriptor(owning: number)
        let work = ThreadWork { [box] in
            box.result = body()
            rpa_raise_event(number)
        }
        var error = -number
        if number >= 0 { (thread, error) = work.start() }
        refusal = thread == nil ? error : nil
        if thread == nil { work.body() }
    }

    deinit { join() }

    private func join() {
        if let thread { pthread_join(thread, nil) }
        thread = nil
    }

    /// Readable when the work is done; without effect if `deadline` isn't nil.
    var waits: [pollfd] { [pollfd(reading: event.number)] }

    /// In the past if the work is done and there is no eventfd to poll.
    var deadline: ContinuousClock.Instant? { event.number < 0 ? .distantPast : nil }

    /// Waits until the work is done or the deadline has passed.
    func isDone(by deadline: ContinuousClock.Instant) -> Bool {
        guard event.number >= 0 else { return true }
        while true {
            var done = waits
            if poll(&done, until: deadline) == 1 { return true }
            guard ContinuousClock.now < deadline else { return false }
        }
    }

    /// The result; nil while the work isn't done. Call it once after that.
    func take() -> Result? {
        guard isDone(by: .distantPast) else { return nil }
        join()
        return box.result
    }
}

/// The work of a thread as a C function gets it, which can't be generic.
private final class ThreadWork: Sendable {
    let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) { self.body = body }

    /// - Returns: the thread, which the caller joins; or nil and a positive errno.
    func start() -> (pthread_t?, Int32) {
        let work = Unmanaged.passRetained(self)
        var thread = pthread_t()
        // A stack of the default size costs address space, and memory only for the pages in use. glibc
        // refuses a smaller one if the program's thread-local variables don't fit.
        let error = pthread_create(
            &thread, nil,
            { raw in
                Unmanaged<ThreadWork>.fromOpaque(raw!).takeRetainedValue().body()
                return nil
            }, work.toOpaque())
        if error == 0 { return (thread, 0) }
        work.release()
        return (nil, error)
    }
}
