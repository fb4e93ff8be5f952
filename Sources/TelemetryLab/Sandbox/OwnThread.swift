import Glibc
import Synchronization

/// A thread that runs the jobs of one task and then ends, because a thread with other namespaces must not
/// return to the thread pool.
final class OwnThread: TaskExecutor {
    private let jobs = Mutex<(waiting: [UnownedJob], isFinished: Bool)>(([], false))

    init() {
        var thread = pthread_t()
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        pthread_attr_setstacksize(&attributes, 8 << 20)
        let result = pthread_create(
            &thread, &attributes,
            { argument in
                Unmanaged<OwnThread>.fromOpaque(argument!).takeRetainedValue().work()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        pthread_attr_destroy(&attributes)
        precondition(result == 0, "pthread_create failed")
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        jobs.withLock { $0.waiting.append(job) }
    }

    func finish() { jobs.withLock { $0.isFinished = true } }

    private func work() {
        while true {
            let (job, isFinished) = jobs.withLock { jobs in
                (jobs.waiting.isEmpty ? nil : jobs.waiting.removeFirst(), jobs.isFinished)
            }
            if let job {
                job.runSynchronously(on: asUnownedTaskExecutor())
            } else if isFinished {
                return
            } else {
                usleep(200)
            }
        }
    }
}
