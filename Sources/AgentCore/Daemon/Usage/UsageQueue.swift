import Glibc
import PoolModel
import UsageExport

/// The pending batches in order, and the folder's only disk job. Writes happen one after the other, on a
/// thread of their own.
///
/// The first batch never changes, because its delivery may be in progress. If the folder has reached its
/// size limit, new events are merged into the last batch.
final class UsageQueue {
    let folder: UsageFolder
    var limit: Int
    private var batches: [UsageFolder.Stored]
    /// Sums over all batches, kept because each turn of the loop reads them.
    private(set) var pendingEvents: Int
    private(set) var bytes: Int
    /// The ledger on the disk.
    private(set) var ledger: UsageLedger
    /// Why a crash of the machine may undo the last write, as a positive errno; nil if it can't.
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
    /// Why the current job has no thread, as a positive errno; nil if it has one.
    var threadRefusal: Int32? { job?.refusal }
    /// The next batch to deliver.
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

    /// Stores events with the ledger that they come from. Don't call it while the queue is busy.
    ///
    /// - Parameter done: gets nil, or an error if nothing was stored.
    func store(_ events: [UsageEvent], _ ledger: UsageLedger, done: @escaping (KernelError?) -> Void) {
        // This batch is delivered, and its file stays only for the ledger.
        let emptied = batches.last.flatMap { $0.events == 0 ? $0.number : nil }
        start(done) { [folder, mergeable] in
            folder.keep(events, ledger, mergedInto: mergeable, insteadOf: emptied)
        }
    }

    /// The last batch, if there is no room for a new one.
    private var mergeable: UInt64? {
        guard bytes >= limit, let last = batches.last, let head, last.events > 0, last.number != head.number else {
            return nil
        }
        return last.number
    }

    /// Removes the first batch after its delivery. Don't call it while the queue is busy.
    func settle(done: @escaping (KernelError?) -> Void) {
        guard let head else { return }
        let isNewest = head.number == batches.last?.number
        start(done) { [folder, ledger] in folder.settle(head.number, ledger, isNewest: isNewest) }
    }

    /// Removes the first batch from memory, because its file is missing or has no events.
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
