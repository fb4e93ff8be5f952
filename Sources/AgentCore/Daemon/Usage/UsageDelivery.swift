import Glibc
import SockArrayCore

/// Brings the first batch that waits to the target: again and again, until it is there.
final class UsageDelivery {
    private enum Attempt {
        /// The batch is read; for a file, written there too.
        case onDisk(BackgroundIO<Reading>, for: UsageSettings.Target)
        case child(ChildDelivery, isPost: Bool)
        /// It is there, and not yet out of the queue.
        case settling
    }

    /// What the disk job has come to.
    private enum Reading: Sendable {
        /// Its file is gone, or has no events.
        case nothing
        /// Not now: positive errno.
        case unreadable(Int32)
        /// To the file; with why it isn't all there.
        case appended(String?)
        case forChild(arguments: [String], input: [UInt8], isPost: Bool)
    }

    var target: UsageSettings.Target
    private let queue: UsageQueue
    private var attempt: Attempt?
    private var next: UInt64 = 0
    private var failures = 0
    /// Whatever comes of the present attempt, the next one doesn't wait.
    private var isUrged = false
    /// The first batch may have been written by an agent before.
    private var isFirst = true
    /// Unix seconds.
    private(set) var lastDelivery: Double?
    /// Of the last attempt.
    private(set) var error: String?
    /// Told of what is worth a line: nil: it goes well again.
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

    /// Why what is under way has no thread: positive errno.
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

    /// - Parameter begins: a batch may be sent off now.
    func proceed(now: UInt64, begins: Bool = true) {
        switch attempt {
        case .onDisk(let job, let target):
            guard let reading = job.take() else { return }
            attempt = nil
            goOn(reading, now: now, begins: begins && target == self.target)
        case .child(let child, let isPost):
            guard let (status, text) = child.proceed(now: now) else { return }
            end(isPost ? UsagePost.verdict(status: status, text: text) : Self.verdict(status, text), now: now)
        case .settling: settle(now: now)
        case nil: if begins, !queue.isBusy, next <= now { begin() }
        }
    }

    /// A new target, or a person, may have better luck: also where an attempt of before
    /// is under way.
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

    private func goOn(_ reading: Reading, now: UInt64, begins: Bool) {
        switch reading {
        case .nothing:
            guard let head = queue.head else { return }
            queue.forgetHead()
            fail(
                "\(queue.folder.file(head.number)) is gone or damaged, which is no agent's doing: "
                    + "its \(head.events) events are not delivered", now: now)
        case .unreadable(let error):
            guard let head = queue.head else { return }
            fail("\(queue.folder.file(head.number)) can't be read (\(ErrnoName.of(error)))", now: now)
        case .appended(let problem): end(problem.map { .failed($0) } ?? .delivered, now: now)
        case .forChild(let arguments, let input, let isPost):
            // Nobody has it yet.
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
            // It is there, and would be sent again: by the same keys.
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
