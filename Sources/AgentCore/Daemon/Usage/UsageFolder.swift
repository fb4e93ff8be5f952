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

    struct Stored: Sendable {
        let number: UInt64
        var bytes: Int
        var events: Int
    }

    func file(_ number: UInt64) -> String {
        let digits = String(number)
        return "\(path)/\(String(repeating: "0", count: max(0, 20 - digits.count)))\(digits).jsonl"
    }

    private static func content(_ ledger: UsageLedger, _ events: [UsageEvent]) -> [UInt8] {
        guard let head = try? JSON.encode(ledger) else { fatalError("a ledger is plain text and numbers") }
        return head + [UInt8(ascii: "\n")] + lines(events)
    }

    static func lines(_ events: [UsageEvent]) -> [UInt8] {
        events.flatMap { event -> [UInt8] in
            guard let line = try? JSON.encode(event) else { fatalError("an event is plain text and numbers") }
            return line + [UInt8(ascii: "\n")]
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
        guard let lines = try? lines(of: number) else { return nil }
        let events = lines.split(separator: UInt8(ascii: "\n")).map {
            try? JSON.decode(UsageEvent.self, from: Array($0))
        }
        return events.contains { $0 == nil } ? nil : events.compactMap { $0 }
    }

    /// The state that a previous agent left.
    struct Content: Sendable {
        /// Nil if there is no batch.
        var ledger: UsageLedger?
        var batches: [Stored] = []
        /// Messages about files that can't be used and were set aside.
        var complaints: [String] = []
    }

    /// Reads every file. May wait for the disk.
    ///
    /// - Throws: `.conflict` for another pool's folder; `.output` for a file that can't be read at the
    ///   moment, because it may have the last counts.
    func load(pool: String) throws(Failure) -> Content {
        var batches: [Stored] = []
        var complaints: [String] = []
        for name in Directory.names(in: path) {
            if name.hasSuffix(".jsonl.new") { unlink("\(path)/\(name)") }
            guard name.hasSuffix(".jsonl"), let number = UInt64(name.dropLast(6)), file(number) == "\(path)/\(name)"
            else { continue }
            let bytes = try loaded(number)
            let lines = bytes.count { $0 == UInt8(ascii: "\n") }
            guard lines > 0, bytes.last == UInt8(ascii: "\n") else {
                complaints.append(setAside(number))
                continue
            }
            batches.append(Stored(number: number, bytes: bytes.count, events: lines - 1))
        }
        // The newest file has the ledger. If it can't be used, its events are counted again.
        var ledger: UsageLedger?
        while ledger == nil, let newest = batches.last {
            ledger = Self.ledger(in: try loaded(newest.number))
            guard ledger == nil else { break }
            complaints.append(setAside(newest.number))
            batches.removeLast()
        }
        guard ledger.map({ $0.pool == pool }) ?? true else {
            throw Failure(
                .conflict, act: "use the folder of usage events \(path)",
                cause: "it is pool \(ledger!.pool)'s, not \(pool)'s", remedy: "give each pool a folder of its own")
        }
        // These are delivered, and a newer file has the ledger.
        for old in batches.dropLast() where old.events == 0 { unlink(file(old.number)) }
        batches = batches.dropLast().filter { $0.events > 0 } + batches.suffix(1)
        return Content(ledger: ledger, batches: batches, complaints: complaints)
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

    /// The difference that a write made.
    struct Change: Sendable {
        /// The numbers of the removed files.
        var gone: [UInt64] = []
        /// The newest batch, if its file was written.
        var newest: Stored?
        /// The ledger on the disk.
        var ledger: UsageLedger
        /// Why a crash may undo the change, as a positive errno; nil if it can't.
        var unsettled: Int32?
    }

    /// Stores events with the ledger that they come from. May wait for the disk.
    ///
    /// - Parameters:
    ///   - last: the number of the batch to merge the events into. If it is nil or that batch can't be
    ///     read, the events become a new batch.
    ///   - emptied: the number of a batch that exists only for its ledger, to be removed.
    func keep(
        _ events: [UsageEvent], _ ledger: UsageLedger, mergedInto last: UInt64?, insteadOf emptied: UInt64?
    ) -> Result<Change, KernelError> {
        var ledger = ledger
        let batch: UsageBatch
        if let last, let waiting = self.events(of: last) {
            batch = UsageBatch(number: last, identity: ledger.identity, events: waiting.merged(with: events))
        } else {
            batch = ledger.close(events)
        }
        return replace(batch.number, ledger, batch.events).map { change in
            guard let emptied, emptied != batch.number else { return change }
            _ = DurableFile.remove(file(emptied))
            var change = change
            change.gone = [emptied]
            return change
        }
    }

    /// Removes a delivered batch. If it is the newest, its file keeps the ledger without events. May wait
    /// for the disk.
    func settle(_ number: UInt64, _ ledger: UsageLedger, isNewest: Bool) -> Result<Change, KernelError> {
        if isNewest { return replace(number, ledger, []) }
        return Self.result(
            of: DurableFile.remove(file(number)), "unlink \(file(number))", Change(gone: [number], ledger: ledger))
    }

    /// An unsettled change counts as a success: a second attempt would store the same events again.
    private static func result(
        of outcome: DurableFile.Outcome, _ operation: String, _ change: Change
    ) -> Result<Change, KernelError> {
        switch outcome {
        case .settled: return .success(change)
        case .unsettled(let error):
            var change = change
            change.unsettled = error
            return .success(change)
        case .refused(let error): return .failure(KernelError(operation: operation, errno: error))
        }
    }

    /// Writes the newest batch.
    private func replace(_ number: UInt64, _ ledger: UsageLedger, _ events: [UsageEvent]) -> Result<Change, KernelError>
    {
        let content = Self.content(ledger, events)
        let error = DurableFile.makeFolder(path)
        let stored = Stored(number: number, bytes: content.count, events: events.count)
        return Self.result(
            of: error == 0 ? DurableFile.replace(file(number), with: content) : .refused(error),
            "replace \(file(number))", Change(newest: stored, ledger: ledger))
    }
}
