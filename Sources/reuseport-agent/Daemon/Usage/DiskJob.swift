import CBPFShim
import Glibc
import SockArrayCore

/// Something that may wait for a disk, on a thread of its own: the agent's loop
/// waits for nothing.
final class DiskJob<Result: Sendable> {
    private final class Box: @unchecked Sendable {
        /// Written by the thread, read when it was joined.
        var result: Result?
    }

    private let event: Descriptor
    private let box = Box()
    private var thread: pthread_t?

    /// Where no thread can be started, it is done at once, here.
    init(_ body: @escaping @Sendable () -> Result) {
        let number = rpa_event()
        event = Descriptor(owning: number)
        let box = self.box
        let work: @Sendable () -> Void = {
            box.result = body()
            rpa_raise_event(number)
        }
        thread = number < 0 ? nil : DiskThread.start(work)
        if thread == nil { work() }
    }

    deinit { join() }

    private func join() {
        if let thread { pthread_join(thread, nil) }
        thread = nil
    }

    /// Readable when it is done.
    var wait: pollfd { pollfd(fd: event.number, events: Int16(POLLIN), revents: 0) }

    /// The result, if it is done; asked for once.
    func take() -> Result? {
        if event.number >= 0 {
            var now = wait
            guard poll(&now, 1, 0) == 1 else { return nil }
        }
        join()
        return box.result
    }
}

private enum DiskThread {
    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// - Returns: to be joined; nil: there can be none.
    static func start(_ body: @escaping @Sendable () -> Void) -> pthread_t? {
        let work = Unmanaged.passRetained(Work(body))
        var thread = pthread_t()
        // A stack of the usual size is address space: what isn't touched is no memory. A
        // smaller one is refused where the program has more thread-local variables than fit.
        let error = pthread_create(&thread, nil, run, work.toOpaque())
        guard error == 0 else {
            work.release()
            return nil
        }
        return thread
    }

    private static let run: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { raw in
        Unmanaged<Work>.fromOpaque(raw!).takeRetainedValue().body()
        return nil
    }
}
