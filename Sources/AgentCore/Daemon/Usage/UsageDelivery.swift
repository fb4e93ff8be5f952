import Glibc
import PoolModel
import SockArrayCore
import UsageExport

/// Delivers the queue's first batch to the target, and repeats the attempt until it succeeds.
final class UsageDelivery {
    private enum Attempt {
        /// A thread reads the batch and, if the target is a file, appends it.
        case onDisk(BackgroundIO<Reading>, for: UsageSettings.Target)
        case child(ChildDelivery, isPost: Bool)
        /// The target has the batch, and the queue still does, too.
        case settling
    }

    /// The result of `onDisk`.
    private enum Reading: Sendable {
        /// The batch's file is missing or has no events.
        case nothing
        /// A temporary failure, as a positive errno.
        case unreadable(Int32)
        /// Appended to the file; the text says why the batch isn't complete there, nil if it is.
        case appended(String?)
        case forChild(arguments: [String], input: [UInt8], isPost: Bool)
    }

    var target: UsageSettings.Target
    private let queue: UsageQueue
    private var attempt: Attempt?
    private var next: UInt64 = 0
    private var failures = 0
    /// If the current attempt fails, the next one starts without a pause.
    private var isUrged = false
    /// A previous agent may have written this batch already.
    private var isFirst = true
    /// The time of the last delivery, in Unix seconds.
    private(set) var lastDelivery: Double?
    /// The error of the last attempt; nil if it succeeded.
    private(set) var error: String?
    /// Called with the outcome of each attempt.
    private let report: (UsagePost.Verdict) -> Void

    init(_ queue: UsageQueue, to target: UsageSettings.Target, report: @escaping (UsagePost.Verdict) -> Void) {
        self.queue = queue
        self.target = target
        self.report = report
    }

    var isBusy: Bool { attempt != nil }

    var isOnDisk: Bool {
        if case .onDisk = attempt { true } else { false }
    }

    /// Why the current disk job has no thread, as a positive errno; nil if it has one.
    var threadRefusal: Int32? {
        if case .onDisk(let job, _) = attempt { job.refusal } else { nil }
    }

    var waits: [pollfd] {
        switch attempt {
        case .onDisk(let job, _): [job.wait]
        case .child(let child, _): child.waits
        case .settling, nil: []
        }
    }

    var nextDeadline: UInt64? {
        switch attempt {
        case .child(let child, _): child.deadline
        case .onDisk(let job, _): job.deadline
        case .settling: nil
        case nil: queue.head == nil || queue.isBusy ? nil : next
        }
    }

    /// - Parameter begins: whether a new attempt may start.
    func proceed(now: UInt64, begins: Bool = true) {
        switch attempt {
        case .onDisk(let job, let target):
            guard let reading = job.take() else { return }
            attempt = nil
            proceed(after: reading, now: now, begins: begins && target == self.target)
        case .child(let child, let isPost):
            guard let (status, text) = child.proceed(now: now) else { return }
            end(isPost ? UsagePost.verdict(status: status, text: text) : Self.verdict(status, text), now: now)
        case .settling: settle(now: now)
        case nil: if begins, !queue.isBusy, next <= now { begin() }
        }
    }

    /// Retries without a pause, because the target has changed or somebody may have fixed the problem. If
    /// an attempt is in progress, the retry follows it.
    func retryNow() {
        (next, failures) = (0, 0)
        isUrged = attempt != nil
    }

    private func begin() {
        guard let head = queue.head else { return }
        let job = BackgroundIO { [folder = queue.folder, target, looksAside = isFirst] () -> Reading in
            let lines: [UInt8]
            do throws(KernelError) {
                guard let found = try folder.lines(of: head.number) else { return .nothing }
                lines = found
            } catch {
                return .unreadable(error.errno)
            }
            return switch target {
            case .file(let path): .appended(FileTarget.append(lines, to: path, looksAside: looksAside))
            case .command(let words): .forChild(arguments: words, input: lines, isPost: false)
            case .url(let url, let headers):
                .forChild(
                    arguments: UsagePost.arguments(url, headers: headers), input: UsagePost.body(lines), isPost: true)
            }
        }
        attempt = .onDisk(job, for: target)
    }

    private func proceed(after reading: Reading, now: UInt64, begins: Bool) {
        switch reading {
        case .nothing:
            guard let head = queue.head else { return }
            queue.forgetHead()
            fail(
                "\(queue.folder.file(head.number)) was removed or damaged by another program: "
                    + "its \(head.events) events are not delivered", now: now)
        case .unreadable(let error):
            guard let head = queue.head else { return }
            fail("\(queue.folder.file(head.number)) can't be read (\(ErrnoName.of(error)))", now: now)
        case .appended(let problem): end(problem.map { .failed($0) } ?? .delivered, now: now)
        case .forChild(let arguments, let input, let isPost):
            // The target has nothing of the batch yet.
            guard begins else { return }
            do throws(KernelError) {
                attempt = .child(try ChildDelivery(arguments, input: input, now: now), isPost: isPost)
            } catch {
                end(.failed("\(error)"), now: now)
            }
        }
    }

    private static func verdict(_ status: Int32, _ text: String) -> UsagePost.Verdict {
        if status == 0 { return .delivered }
        let end = status & 0x7f == 0 ? "ended with \(status >> 8 & 0xff)" : "was ended by signal \(status & 0x7f)"
        let said = text.split(separator: "\n").first.map { ": \($0)" } ?? ""
        return .failed("the command \(end)\(said)")
    }

    private func end(_ verdict: UsagePost.Verdict, now: UInt64) {
        switch verdict {
        case .delivered:
            attempt = .settling
            settle(now: now)
        case .failed(let text), .refused(let text):
            attempt = nil
            if case .refused = verdict { failures = max(failures, 8) }
            fail(text, verdict, now: now)
        }
    }

    private func settle(now: UInt64) {
        guard !queue.isBusy else { return }
        queue.settle { [unowned self] error in
            attempt = nil
            isFirst = false
            lastDelivery = WallClock.now
            // The target has the batch, and gets it again with the same keys.
            if let error { return fail("the queue could not be written (\(ErrnoName.of(error.errno)))", now: now) }
            (failures, next, isUrged) = (0, 0, false)
            self.error = nil
            report(.delivered)
        }
    }

    private func fail(_ text: String, _ verdict: UsagePost.Verdict? = nil, now: UInt64) {
        failures += 1
        isFirst = true
        error = String(text.prefix(400))
        let pause = DeliveryBackoff.pause(after: failures, chance: Double.random(in: 0...1))
        next = isUrged ? now : now + UInt64(pause / .nanoseconds(1))
        isUrged = false
        report(verdict ?? .failed(text))
    }
}
