import Glibc
import SockArrayCore

/// The batches that wait, in order, and the one disk job of their folder: what is
/// written there is written one after the other, and not by the agent's loop.
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
    /// Why a crash of the machine may undo what was written last: positive errno.
    private(set) var unsettled: Int32?
    private var job: BackgroundIO<Result<UsageFolder.Change, KernelError>>?
    private var jobIsDone: ((KernelError?) -> Void)?

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
    var nextDeadline: UInt64? { job?.deadline }
    /// Why what is under way has no thread: positive errno.
    var threadRefusal: Int32? { job?.refusal }
    /// The next to deliver.
    var head: UsageFolder.Stored? { batches.first { $0.events > 0 } }

    func proceed() {
        guard let job, let result = job.take() else { return }
        self.job = nil
        switch result {
        case .success(let change):
            for number in change.gone { remove(number) }
            if let newest = change.newest {
                remove(newest.number)
                append(newest)
            }
            ledger = change.ledger
            unsettled = change.unsettled
            jobIsDone?(nil)
        case .failure(let error): jobIsDone?(error)
        }
    }

    /// Keeps events with the ledger that they come from. Not while it is busy.
    ///
    /// - Parameter done: gets nil, or an error: then nothing of it is kept.
    func store(_ events: [UsageEvent], _ ledger: UsageLedger, done: @escaping (KernelError?) -> Void) {
        // Delivered, and kept for its ledger alone.
        let emptied = batches.last.flatMap { $0.events == 0 ? $0.number : nil }
        start(done) { [folder, mergeable] in
            folder.keep(events, ledger, mergedInto: mergeable, insteadOf: emptied)
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
    func settle(done: @escaping (KernelError?) -> Void) {
        guard let head else { return }
        let isNewest = head.number == batches.last?.number
        start(done) { [folder, ledger] in folder.settle(head.number, ledger, isNewest: isNewest) }
    }

    /// Its file is gone, or has no events.
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

    private func start(
        _ done: @escaping (KernelError?) -> Void,
        _ body: @escaping @Sendable () -> Result<UsageFolder.Change, KernelError>
    ) {
        precondition(job == nil)
        jobIsDone = done
        job = BackgroundIO(body)
    }
}
