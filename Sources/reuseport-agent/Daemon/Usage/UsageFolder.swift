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

    static func content(_ ledger: UsageLedger, _ events: [UsageEvent]) -> [UInt8] {
        guard let head = try? JSON.encode(ledger) else { fatalError("a ledger is plain text and numbers") }
        return head + [UInt8(ascii: "\n")] + lines(events)
    }

    static func lines(_ events: [UsageEvent]) -> [UInt8] {
        events.flatMap { event -> [UInt8] in
            guard let line = try? JSON.encode(event) else { fatalError("an event is plain text and numbers") }
            return line + [UInt8(ascii: "\n")]
        }
    }

    /// The events of a batch, one a line. Nil: the file isn't there, or can't be read.
    func lines(of number: UInt64) -> [UInt8]? {
        guard let bytes = DurableFile.read(file(number)), let end = bytes.firstIndex(of: UInt8(ascii: "\n")) else {
            return nil
        }
        return Array(bytes[(end + 1)...])
    }

    func events(of number: UInt64) -> [UsageEvent]? {
        guard let lines = lines(of: number) else { return nil }
        let events = lines.split(separator: UInt8(ascii: "\n")).map {
            try? JSON.decode(UsageEvent.self, from: Array($0))
        }
        return events.contains { $0 == nil } ? nil : events.compactMap { $0 }
    }

    /// What an agent before left.
    ///
    /// - Parameter report: told of a file that can't be used, which is set aside.
    /// - Returns: no ledger where there is no batch.
    /// - Throws: `.conflict` for another pool's folder.
    func load(pool: String, report: (String) -> Void) throws(Failure) -> (ledger: UsageLedger?, batches: [Stored]) {
        var (ledger, batches): (UsageLedger?, [Stored]) = (nil, [])
        for name in Folder.names(in: path) {
            if name.hasSuffix(".jsonl.new") { unlink("\(path)/\(name)") }
            guard name.hasSuffix(".jsonl"), let number = UInt64(name.dropLast(6)), file(number) == "\(path)/\(name)"
            else { continue }
            let bytes = DurableFile.read(file(number))
            guard let bytes, let end = bytes.firstIndex(of: UInt8(ascii: "\n")),
                let head = try? JSON.decode(UsageLedger.self, from: Array(bytes[..<end])),
                head.version == UsageLedger.version, bytes.last == UInt8(ascii: "\n")
            else {
                let isAside = rename(file(number), file(number) + ".unusable") == 0
                report(
                    "\(file(number)) can't be used, which is not of an agent's end: what it held is not delivered"
                        + (isAside ? "; it was set aside as \(name).unusable" : ""))
                continue
            }
            guard head.pool == pool else {
                throw Failure(
                    .conflict, act: "use the folder of usage events \(path)",
                    cause: "it is pool \(head.pool)'s, not \(pool)'s", remedy: "give each pool a folder of its own")
            }
            // Its events were delivered, and it isn't the newest any more.
            if let last = batches.last, last.events == 0 {
                unlink(file(last.number))
                batches.removeLast()
            }
            ledger = head
            let events = bytes[(end + 1)...].count { $0 == UInt8(ascii: "\n") }
            batches.append(Stored(number: number, bytes: bytes.count, events: events))
        }
        return (ledger, batches)
    }

    /// - Returns: 0, or errno.
    func store(_ number: UInt64, _ content: [UInt8], insteadOf former: UInt64?) -> Int32 {
        let made = DurableFile.makeFolder(path)
        guard made == 0 else { return made }
        let error = DurableFile.replace(file(number), with: content)
        if error == 0, let former { _ = DurableFile.remove(file(former)) }
        return error
    }
}
