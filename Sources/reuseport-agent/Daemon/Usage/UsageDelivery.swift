import Glibc
import SockArrayCore

/// Brings the first batch that waits to the target: again and again, until it is there.
final class UsageDelivery {
    private enum Attempt {
        case appending(DiskJob<String?>)
        case child(ChildDelivery, isPost: Bool)
        /// It is there, and not yet out of the queue.
        case settling
    }

    var target: UsageSettings.Target
    private let queue: UsageQueue
    private var attempt: Attempt?
    private var next: UInt64 = 0
    private var failures = 0
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

    var waits: [pollfd] {
        switch attempt {
        case .appending(let job): [job.wait]
        case .child(let child, _): child.waits
        case .settling, nil: []
        }
    }

    var nextDeadline: UInt64? {
        switch attempt {
        case .child(let child, _): child.deadline
        case .appending, .settling: nil
        case nil: queue.head == nil || queue.isBusy ? nil : next
        }
    }

    /// - Parameter begins: a batch may be sent off now.
    func proceed(now: UInt64, begins: Bool = true) {
        switch attempt {
        case .appending(let job):
            guard let result = job.take() else { return }
            end(result.map { .failed($0) } ?? .delivered, now: now)
        case .child(let child, let isPost):
            guard let (status, text) = child.proceed(now: now) else { return }
            end(isPost ? UsagePost.verdict(status: status, text: text) : Self.verdict(status, text), now: now)
        case .settling: settle(now: now)
        case nil: if begins, queue.head != nil, !queue.isBusy, next <= now { begin(now: now) }
        }
    }

    /// A new target, or a person, may have better luck.
    func retryNow() { next = 0 }

    private func begin(now: UInt64) {
        guard let head = queue.head else { return }
        guard let lines = queue.folder.lines(of: head.number), !lines.isEmpty else {
            let path = queue.folder.file(head.number)
            queue.forgetHead()
            return fail("\(path) can't be read any more: its \(head.events) events are not delivered", now: now)
        }
        let looksAside = isFirst
        do throws(KernelError) {
            switch target {
            case .file(let path):
                attempt = .appending(DiskJob { FileTarget.append(lines, to: path, looksAside: looksAside) })
            case .command(let words):
                attempt = .child(try ChildDelivery(words, input: lines, now: now), isPost: false)
            case .url(let url, let headers):
                let words = UsagePost.arguments(url, headers: headers)
                attempt = .child(try ChildDelivery(words, input: UsagePost.body(lines), now: now), isPost: true)
            }
        } catch {
            end(.failed("\(error)"), now: now)
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
            guard error == 0 else { return fail("the queue could not be written (\(ErrnoName.of(error)))", now: now) }
            (failures, next) = (0, 0)
            self.error = nil
            report(.delivered)
        }
    }

    private func fail(_ text: String, _ verdict: UsagePost.Verdict? = nil, now: UInt64) {
        failures += 1
        isFirst = true
        error = String(text.prefix(400))
        let pause = DeliveryPatience.pause(after: failures, chance: Double.random(in: 0...1))
        next = now + UInt64(pause / .nanoseconds(1))
        report(verdict ?? .failed(text))
    }
}
