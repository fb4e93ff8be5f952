import Glibc
import SockArrayCore

/// The batches that wait, in order, and the one disk job of their folder.
///
/// The first one may be under way to its target at any time: it stays as it is. Where
/// the folder has grown to its limit, a new batch is merged into the last one instead.
final class UsageQueue {
    let folder: UsageFolder
    var limit: Int
    private var batches: [UsageFolder.Stored]
    /// Sums over the batches, of which there may be many: they are asked for in each turn.
    private(set) var pendingEvents: Int
    private(set) var bytes: Int
    /// As on the disk.
    private(set) var ledger: UsageLedger
    private var job: DiskJob<Int32>?
    private var jobIsDone: ((Int32) -> Void)?

    init(_ folder: UsageFolder, limit: Int, ledger: UsageLedger, batches: [UsageFolder.Stored]) {
        self.folder = folder
        self.limit = limit
        self.ledger = ledger
        self.batches = batches
        pendingEvents = batches.reduce(0) { $0 + $1.events }
        bytes = batches.reduce(0) { $0 + $1.bytes }
    }

    var isBusy: Bool { job != nil }
    var waits: [pollfd] { job.map { [$0.wait] } ?? [] }
    /// The next to deliver.
    var head: UsageFolder.Stored? { batches.first { $0.events > 0 } }

    func proceed() {
        guard let job, let error = job.take() else { return }
        self.job = nil
        jobIsDone?(error)
    }

    /// Keeps events with the ledger that they come from. Not while it is busy.
    ///
    /// - Parameter done: gets 0, or errno: then nothing of it is kept.
    func store(_ events: [UsageEvent], _ ledger: UsageLedger, done: @escaping (Int32) -> Void) {
        var ledger = ledger
        let batch: UsageBatch
        if let last = mergeable, let waiting = folder.events(of: last) {
            batch = UsageBatch(number: last, identity: ledger.identity, events: waiting.merged(with: events))
        } else {
            batch = ledger.close(events)
        }
        let content = UsageFolder.content(ledger, batch.events)
        // Delivered, and kept for its ledger alone.
        let former = batches.last.flatMap { $0.events == 0 && $0.number != batch.number ? $0.number : nil }
        let stored = UsageFolder.Stored(number: batch.number, bytes: content.count, events: batch.events.count)
        start { [folder] in
            folder.store(stored.number, content, insteadOf: former)
        } done: { [unowned self] error in
            if error == 0 {
                if let former { remove(former) }
                remove(stored.number)
                append(stored)
                self.ledger = ledger
            }
            done(error)
        }
    }

    /// The last batch, if there is no room for another.
    private var mergeable: UInt64? {
        guard bytes >= limit, let last = batches.last, let head, last.events > 0, last.number != head.number else {
            return nil
        }
        return last.number
    }

    /// The head is delivered. Not while it is busy.
    func settle(done: @escaping (Int32) -> Void) {
        guard let head else { return }
        let isLast = head.number == batches.last?.number
        let content = isLast ? UsageFolder.content(ledger, []) : []
        start { [folder] in
            isLast
                ? folder.store(head.number, content, insteadOf: nil) : DurableFile.remove(folder.file(head.number))
        } done: { [unowned self] error in
            if error == 0 {
                remove(head.number)
                if isLast { append(UsageFolder.Stored(number: head.number, bytes: content.count, events: 0)) }
            }
            done(error)
        }
    }

    /// Its file is gone, or can't be read.
    func forgetHead() {
        if let head { remove(head.number) }
    }

    private func append(_ batch: UsageFolder.Stored) {
        batches.append(batch)
        pendingEvents += batch.events
        bytes += batch.bytes
    }

    private func remove(_ number: UInt64) {
        guard let index = batches.firstIndex(where: { $0.number == number }) else { return }
        let batch = batches.remove(at: index)
        pendingEvents -= batch.events
        bytes -= batch.bytes
    }

    private func start(_ body: @escaping @Sendable () -> Int32, done: @escaping (Int32) -> Void) {
        precondition(job == nil)
        jobIsDone = done
        job = DiskJob(body)
    }
}
