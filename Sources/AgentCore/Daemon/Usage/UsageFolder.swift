import Glibc
import SockArrayCore

/// The folder where usage events wait: a file for each batch, named by its number.
/// Its first line is the ledger as it was after the batch, the others are the events.
/// The newest is always there, and tells what was counted last; its events are taken
/// out when they are delivered.
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

    /// The events of a batch, one a line: may wait for the disk.
    ///
    /// - Returns: nil: the file isn't there, or has none.
    /// - Throws: what may pass: of the disk, of the agent's descriptors.
    func lines(of number: UInt64) throws(KernelError) -> [UInt8]? {
        guard let bytes = try bytes(of: number), let end = bytes.firstIndex(of: UInt8(ascii: "\n")),
            end + 1 < bytes.count
        else { return nil }
        return Array(bytes[(end + 1)...])
    }

    /// - Returns: nil: the file isn't there, or something else is.
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

    /// What an agent before left.
    struct Content: Sendable {
        /// Nil where there is no batch.
        var ledger: UsageLedger?
        var batches: [Stored] = []
        /// Of files that can't be used, and were set aside.
        var complaints: [String] = []
    }

    /// Reads every file: may wait for the disk.
    ///
    /// - Throws: `.conflict` for another pool's folder, `.output` for a file that can't be
    ///   read at the moment: it may have what was counted last.
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
        // The newest has it all; where that can't be used, what it had counted is counted again.
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
        // Delivered, and not the newest any more.
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
                cause: "\(file(number)) can't be read, and may have what was counted last", errno: error.errno,
                remedy: "look at the disk, and whether the agent's user may read the file; it is tried again")
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
        return "\(name) can't be used, which is no agent's doing: its events are not delivered"
            + (other.map { ", and it was set aside as \($0)" } ?? "")
    }

    /// What is other than before, when something was written.
    struct Change: Sendable {
        /// Files that are gone.
        var gone: [UInt64] = []
        /// The newest, as it is now.
        var newest: Stored?
        /// As on the disk.
        var ledger: UsageLedger
        /// All of it is so, and a crash may bring back what was before: positive errno.
        var unsettled: Int32?
    }

    /// Keeps events with the ledger that they come from: may wait for the disk.
    ///
    /// - Parameters:
    ///   - last: of a batch that they are merged into; where that can't be read, and for
    ///     nil, they get a batch of their own.
    ///   - emptied: of a batch that was there for its ledger alone.
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

    /// A batch was delivered: its file goes, or, if it is the newest, keeps the ledger
    /// alone. May wait for the disk.
    func settle(_ number: UInt64, _ ledger: UsageLedger, isNewest: Bool) -> Result<Change, KernelError> {
        if isNewest { return replace(number, ledger, []) }
        return Self.result(
            of: DurableFile.remove(file(number)), "unlink \(file(number))", Change(gone: [number], ledger: ledger))
    }

    /// What was made can't be made once more: the events are in it.
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

    /// Of the newest batch.
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
