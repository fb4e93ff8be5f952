import Glibc
import PoolModel
import SockArrayCore
import UsageExport

/// The folder of the queue of usage events: one file for each batch, named by the batch's number.
///
/// The first line of a file is the ledger after the batch; the other lines are the events. The newest
/// file always stays, because it has the last counts. Its events are removed when they are delivered.
struct UsageFolder: Sendable {
    let path: String

    func file(_ number: UInt64) -> String {
        let digits = String(number)
        return "\(path)/\(String(repeating: "0", count: max(0, 20 - digits.count)))\(digits).jsonl"
    }

    /// Each value as JSON, on a line.
    ///
    /// - Throws: EINVAL: a value that JSON can't express.
    static func lines(_ values: [some Encodable]) throws(KernelError) -> [UInt8] {
        do { return try values.flatMap { try JSON.encode($0) + [UInt8(ascii: "\n")] } } catch {
            throw KernelError(operation: "encode usage", errno: EINVAL)
        }
    }

    /// The events of a batch, one on each line. May wait for the disk.
    ///
    /// - Returns: nil if the file doesn't exist or has no events.
    /// - Throws: a temporary error, for example of the disk, or a lack of descriptors.
    func lines(of number: UInt64) throws(KernelError) -> [UInt8]? {
        guard let bytes = try bytes(of: number), let end = bytes.firstIndex(of: UInt8(ascii: "\n")),
            end + 1 < bytes.count
        else { return nil }
        return Array(bytes[(end + 1)...])
    }

    /// - Returns: nil if there is no regular file of that name.
    private func bytes(of number: UInt64) throws(KernelError) -> [UInt8]? {
        do throws(KernelError) {
            return try DurableFile.read(file(number))
        } catch {
            guard error.errno != ENOENT, error.errno != EINVAL else { return nil }
            throw error
        }
    }

    private func events(of number: UInt64) -> [UsageEvent]? {
        try? lines(of: number)?.split(separator: UInt8(ascii: "\n")).map {
            try JSON.decode(UsageEvent.self, from: Array($0))
        }
    }

    /// - Parameter makes: whether to create the folder if it doesn't exist.
    /// - Throws: `.usage` if no such folder can exist.
    func check(makes: Bool) throws(Failure) {
        let error = makes ? DurableFile.makeFolder(path) : DurableFile.probeFolder(path)
        // A full disk may have room later.
        guard error != 0, error != ENOSPC else { return }
        throw Failure(
            .usage, act: "use the folder of usage events \(path)", cause: "it can't be created or written",
            errno: error, remedy: "create it for the agent's user, or set another one: queue: {folder: ...}")
    }

    /// The state that a previous agent left.
    struct Content: Sendable {
        /// Nil if there is no batch.
        var ledger: UsageLedger?
        var batches: [UsageQueue.Batch] = []
        /// Messages about files that can't be used and were set aside.
        var complaints: [String] = []
    }

    /// Reads every file, and creates the folder if it doesn't exist. May wait for the disk.
    ///
    /// - Throws: `.usage` if no such folder can exist; `.conflict` for another pool's folder; `.output` for a
    ///   file that can't be read at the moment, because it may have the last counts.
    func load(pool: String) throws(Failure) -> Content {
        try check(makes: true)
        var content = Content()
        for name in Directory.names(in: path) {
            if name.hasSuffix(".jsonl.new") { unlink("\(path)/\(name)") }
            guard name.hasSuffix(".jsonl"), let number = UInt64(name.dropLast(6)), file(number) == "\(path)/\(name)"
            else { continue }
            if let batch = UsageQueue.Batch(number, try loaded(number)) {
                content.batches.append(batch)
            } else {
                content.complaints.append(setAside(number))
            }
        }
        // The newest file has the ledger. If it can't be used, its events are counted again.
        while let newest = content.batches.last {
            content.ledger = Self.ledger(in: try loaded(newest.number))
            if content.ledger != nil { break }
            content.complaints.append(setAside(newest.number))
            content.batches.removeLast()
        }
        if let ledger = content.ledger, ledger.pool != pool {
            throw Failure(
                .conflict, act: "use the folder of usage events \(path)",
                cause: "it is pool \(ledger.pool)'s, not \(pool)'s", remedy: "give each pool a folder of its own")
        }
        // These are delivered, and a newer file has the ledger.
        for old in content.batches.dropLast() where old.events == 0 { unlink(file(old.number)) }
        content.batches = content.batches.dropLast().filter { $0.events > 0 } + content.batches.suffix(1)
        return content
    }

    private func loaded(_ number: UInt64) throws(Failure) -> [UInt8] {
        do throws(KernelError) {
            return try bytes(of: number) ?? []
        } catch {
            throw Failure(
                .output, act: "use the folder of usage events \(path)",
                cause: "\(file(number)) can't be read, and may have the last counts", errno: error.errno,
                remedy: "check the disk, and whether the agent's user can read the file; the agent tries again")
        }
    }

    private static func ledger(in bytes: [UInt8]) -> UsageLedger? {
        guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")),
            let ledger = try? JSON.decode(UsageLedger.self, from: Array(bytes[..<end])),
            ledger.version == UsageLedger.version
        else { return nil }
        return ledger
    }

    private func setAside(_ number: UInt64) -> String {
        let name = file(number)
        let other = DurableFile.setAside(name)
        return "\(name) was damaged by another program: its events are not delivered"
            + (other.map { ", and the file was renamed to \($0)" } ?? "")
    }

    /// The difference that a change of the folder made.
    typealias Change = @Sendable (inout UsageQueue) -> Void

    /// Stores events with the ledger that they come from: as a new batch or, at the limit, merged into the
    /// last one. If that can't be read, they become a new batch. May wait for the disk.
    func keep(
        _ events: [UsageEvent], _ ledger: UsageLedger, in queue: UsageQueue, limit: Int
    ) throws(KernelError) -> Change {
        var ledger = ledger
        let batch: UsageBatch
        if let last = queue.mergeable(limit: limit), let waiting = self.events(of: last) {
            batch = UsageBatch(number: last, identity: ledger.identity, events: waiting.merged(with: events))
        } else {
            batch = ledger.close(events)
        }
        let change = try replace(batch.number, ledger, batch.events)
        guard let emptied = queue.emptied, emptied != batch.number else { return change }
        _ = DurableFile.remove(file(emptied))
        return { queue in
            queue.remove(emptied)
            change(&queue)
        }
    }

    /// Removes a delivered batch. If it is the newest, its file keeps the ledger without events. May wait
    /// for the disk.
    func settle(_ number: UInt64, in queue: UsageQueue) throws(KernelError) -> Change {
        if queue.isHeadNewest { return try replace(number, queue.ledger, []) }
        let unsettled = try Self.unsettled(DurableFile.remove(file(number)), "unlink \(file(number))")
        return { $0.remove(number, unsettled: unsettled) }
    }

    /// Writes the newest batch.
    private func replace(
        _ number: UInt64, _ ledger: UsageLedger, _ events: [UsageEvent]
    ) throws(KernelError) -> Change {
        let content = try Self.lines([ledger]) + Self.lines(events)
        let error = DurableFile.makeFolder(path)
        let unsettled = try Self.unsettled(
            error == 0 ? DurableFile.replace(file(number), with: content) : .refused(error), "replace \(file(number))")
        return { [batch = UsageQueue.Batch(number, content)!] in $0.write(batch, ledger, unsettled: unsettled) }
    }

    /// An unsettled change counts as a success: a second attempt would store the same events again.
    ///
    /// - Returns: why a crash may undo the change, as a positive errno; nil if it can't.
    private static func unsettled(_ outcome: DurableFile.Outcome, _ operation: String) throws(KernelError) -> Int32? {
        switch outcome {
        case .settled: return nil
        case .unsettled(let error): return error
        case .refused(let error): throw KernelError(operation: operation, errno: error)
        }
    }
}

/// The queue and its folder's only disk job: writes happen one after the other, on a thread of their own.
final class UsageStore {
    let folder: UsageFolder
    /// Bytes of the folder from which on new events are merged into the last batch.
    var limit: Int
    private(set) var queue: UsageQueue
    private var job: (io: BackgroundIO<Result<UsageFolder.Change, KernelError>>, done: (KernelError?) -> Void)?

    init(_ folder: UsageFolder, limit: Int, _ queue: UsageQueue) {
        self.folder = folder
        self.limit = limit
        self.queue = queue
    }

    /// The write in progress.
    var write: (any PendingWork)? { job?.io }

    func proceed() {
        guard let job, let result = job.io.take() else { return }
        self.job = nil
        do throws(KernelError) {
            try result.get()(&queue)
            job.done(nil)
        } catch {
            job.done(error)
        }
    }

    /// Stores events with the ledger that they come from. Don't call it during a write.
    ///
    /// - Parameter done: gets nil, or an error if nothing was stored.
    func store(_ events: [UsageEvent], _ ledger: UsageLedger, done: @escaping (KernelError?) -> Void) {
        start(done) { [folder, queue, limit] () throws(KernelError) in
            try folder.keep(events, ledger, in: queue, limit: limit)
        }
    }

    /// Removes the first batch after its delivery. Don't call it during a write.
    func settle(done: @escaping (KernelError?) -> Void) {
        guard let head = queue.head else { return }
        start(done) { [folder, queue] () throws(KernelError) in try folder.settle(head.number, in: queue) }
    }

    /// Removes a batch from memory, because its file is missing or has no events.
    func forget(_ number: UInt64) { queue.remove(number) }

    private func start(
        _ done: @escaping (KernelError?) -> Void,
        _ body: @escaping @Sendable () throws(KernelError) -> UsageFolder.Change
    ) {
        precondition(job == nil)
        job = (BackgroundIO { Result(catching: body) }, done)
    }
}
